"""Facts to plant in a conversation: what is said, what is asked for later, the answer.

No question holds its answer, or a mark.
"""

FACTS = [
    (
        "The spare key of the cabin hangs behind the third shutter.",
        "Where is the spare key of the cabin?",
        "third shutter",
    ),
    (
        "Our landlord, who collects the rent on Mondays, is Petra Vance.",
        "Who collects our rent?",
        "Petra Vance",
    ),
    (
        "I am allergic to macadamia, so check the ingredients of every cake.",
        "Which ingredient of cakes am I allergic to?",
        "macadamia",
    ),
    (
        "The vaccination of our dog is due at the clinic in Oberdorf.",
        "At which clinic is our dog's vaccination due?",
        "Oberdorf",
    ),
    (
        "The Wi-Fi password of the attic room is quokka-71-lantern.",
        "What is the Wi-Fi password of the attic room?",
        "quokka-71-lantern",
    ),
    (
        "My sister's wedding dress was sewn by a tailor named Bogdan.",
        "Which tailor sewed my sister's wedding dress?",
        "Bogdan",
    ),
    (
        "The invoice of the plumber came to 1,284.60 euros.",
        "How much was the plumber's invoice?",
        "1,284.60",
    ),
    (
        "We buried the time capsule under the medlar tree.",
        "Under which tree did we bury the time capsule?",
        "medlar",
    ),
    (
        "The license plate of the rented van reads KX19 ZPD.",
        "What does the license plate of the rented van read?",
        "KX19 ZPD",
    ),
    (
        "For the anniversary I booked the restaurant Nautilus at eight.",
        "Which restaurant did I book for the anniversary?",
        "Nautilus",
    ),
    (
        "The violin teacher charges forty-five francs for a lesson.",
        "What does the violin teacher charge for a lesson?",
        "forty-five",
    ),
    (
        "My passport expires on 9 March 2031.",
        "When does my passport expire?",
        "9 March 2031",
    ),
    (
        "The bug in the parser was an unescaped backslash in line 482.",
        "What was the bug in the parser?",
        "backslash",
    ),
    (
        "Grandfather's pocket watch was repaired by Ilse Marander.",
        "Who repaired grandfather's pocket watch?",
        "Ilse Marander",
    ),
    (
        "The compost heap must be turned with the copper fork.",
        "With what must the compost heap be turned?",
        "copper fork",
    ),
    (
        "The best bakery for rye bread is the one on Quince Street.",
        "On which street is the best bakery for rye bread?",
        "Quince",
    ),
    (
        "The thermostat of the greenhouse is set to 17.5 degrees.",
        "To what is the thermostat of the greenhouse set?",
        "17.5",
    ),
    (
        "Our marathon training plan calls for 63 kilometres a week.",
        "How many kilometres does our marathon training plan call for?",
        "63",
    ),
    (
        "The telescope's finder scope has a cracked bracket.",
        "What is cracked on the telescope's finder scope?",
        "bracket",
    ),
    (
        "The choir rehearses the requiem in the old customs house.",
        "Where does the choir rehearse the requiem?",
        "customs house",
    ),
]

SUBJECTS = [
    "cabin",
    "rent",
    "cake",
    "dog",
    "attic",
    "wedding",
    "plumber",
    "tree",
    "van",
    "anniversary",
    "violin",
    "passport",
    "parser",
    "watch",
    "compost",
    "bakery",
    "greenhouse",
    "marathon",
    "telescope",
    "choir",
]
