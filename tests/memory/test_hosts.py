"""Hosts: the built-in ones are whole, and users' files are checked key by key."""

from pathlib import Path

import pytest

from sfumato.errors import HostError
from sfumato.hosts import HOSTS_VARIABLE, PROFILES, Host, Prices, host, hosts
from sfumato.tokens import known

ALL = list(hosts().values())
SEEING = [each for each in ALL if each.sees]

WHOLE = """
[mine]
family = "mine"
formula = "smart-resize"
params = { factor_px = 28, min_pixels = 3136, max_pixels = 1003520 }
image_roles = ["user"]
max_images = 8
max_edge_px = 1008
tokenizer = "estimate"
message_overhead = 5
source = "measured"
date = "2026-11"
[mine.profiles.legible]
min_px = 12
max_px = 16
evidence = "calibrated"
[mine.profiles.dense]
min_px = 9
max_px = 14
evidence = "calibrated"
"""


@pytest.fixture
def file(tmp_path: Path):
    """Writes a hosts file and gives its path."""

    def write(text: str) -> Path:
        path = tmp_path / "mine.toml"
        path.write_text(text, encoding="utf-8")
        return path

    return write


class TestBuiltInHosts:
    def test_the_families_that_matter_are_there(self) -> None:
        names = {
            *("deepseek-ocr", "deepseek-ocr-2", "claude-standard", "claude-high-res", "gpt-tile"),
            *("gpt-patch", "gemini-2", "gemini-3", "qwen2.5-vl", "qwen3-vl", "glm-v", "gemma-3"),
            *("internvl", "pixtral", "smolvlm", "llava", "text-only", "unknown"),
        }
        assert names <= set(hosts())

    @pytest.mark.parametrize("each", ALL, ids=lambda each: each.name)
    def test_each_says_where_its_figures_come_from(self, each: Host) -> None:
        assert len(each.source) > 10
        assert each.date.startswith("20")

    @pytest.mark.parametrize("each", ALL, ids=lambda each: each.name)
    def test_each_names_a_tokenizer_that_can_be_had(self, each: Host) -> None:
        assert each.tokenizer in known()

    @pytest.mark.parametrize("each", SEEING, ids=lambda each: each.name)
    def test_each_that_sees_has_both_profiles_with_evidence(self, each: Host) -> None:
        assert tuple(each.profiles) == PROFILES
        legible, dense = each.profiles["legible"], each.profiles["dense"]
        assert dense.min_px <= legible.min_px < legible.max_px
        assert dense.max_px <= legible.max_px
        assert legible.evidence
        assert dense.evidence

    @pytest.mark.parametrize("each", SEEING, ids=lambda each: each.name)
    def test_each_that_sees_takes_images_from_users(self, each: Host) -> None:
        assert "user" in each.image_roles
        assert each.max_images >= 1
        assert each.page_rules is not None

    def test_a_host_that_cannot_see_has_no_pages(self) -> None:
        blind = host("text-only")
        assert not blind.sees
        assert blind.page_rules is None
        assert blind.image_detail(512, 512) is None
        with pytest.raises(HostError, match="cannot see images"):
            blind.image_tokens(512, 512)

    def test_an_image_without_pixels_is_refused(self) -> None:
        with pytest.raises(HostError, match="0x20 px"):
            host("qwen3-vl").image_tokens(0, 20)

    def test_cached_input_is_cheaper_than_input_wherever_both_are_known(self) -> None:
        priced = [each.prices for each in ALL if each.prices and each.prices.cached_input]
        assert len(priced) > 10
        assert all(prices.cached_input < prices.input for prices in priced)

    def test_a_variant_has_its_own_prices_and_its_familys_formula(self) -> None:
        assert host("claude-opus-5").prices == Prices(5, 0.5, 6.25, 25)
        assert host("claude-opus-5").params == host("claude-high-res").params


class TestLookup:
    def test_a_host_is_given_back_as_it_is(self) -> None:
        each = host("qwen3-vl")
        assert host(each) is each

    @pytest.mark.parametrize(
        ("name", "meant"),
        [("qwen-vl-3", "qwen3-vl"), ("claude-highres", "claude-high-res"), ("gemini3", "gemini-3")],
    )
    def test_an_unknown_name_brings_the_closest_known(self, name: str, meant: str) -> None:
        with pytest.raises(HostError, match=f"unknown host '{name}'.*{meant}"):
            host(name)

    def test_a_name_like_no_other_brings_the_whole_list(self) -> None:
        with pytest.raises(HostError, match=r"known are .*text-only.*cautious profile"):
            host("zzzzzzzzz")


class TestUsersFile:
    def test_a_new_host_joins_the_built_in_ones(self, file) -> None:
        found = hosts(file(WHOLE))
        assert found["mine"].image_tokens(280, 280) == 102
        assert "qwen3-vl" in found

    def test_the_environment_names_the_file(self, file, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv(HOSTS_VARIABLE, str(file(WHOLE)))
        assert host("mine").family == "mine"

    def test_a_path_goes_before_the_environment(
        self, file, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv(HOSTS_VARIABLE, str(tmp_path / "absent.toml"))
        assert host("mine", extra=file(WHOLE)).name == "mine"

    def test_a_base_gives_what_is_not_said(self, file) -> None:
        path = file('[fast]\nbase = "qwen3-vl"\nparams = { max_pixels = 1048576 }\nmax_images = 4')
        fast, base = host("fast", path), host("qwen3-vl")
        assert fast.max_images == 4
        assert fast.params == {**base.params, "max_pixels": 1048576}
        assert fast.profiles == base.profiles
        assert fast.image_tokens(2048, 2048) == 1026

    def test_one_profile_can_be_changed_alone(self, file) -> None:
        path = file(
            '[sharp]\nbase = "qwen3-vl"\n'
            '[sharp.profiles.dense]\nmin_px = 7\nmax_px = 12\nevidence = "calibrated"'
        )
        assert host("sharp", path).profiles["dense"].min_px == 7
        assert host("sharp", path).profiles["legible"] == host("qwen3-vl").profiles["legible"]

    def test_an_entry_that_is_its_own_base_corrects_the_built_in_host(self, file) -> None:
        path = file('[qwen3-vl]\nbase = "qwen3-vl"\nmessage_overhead = 9')
        assert host("qwen3-vl", path).message_overhead == 9
        assert host("qwen3-vl", path).params == host("qwen3-vl").params

    def test_a_base_may_be_in_the_same_file(self, file) -> None:
        path = file(WHOLE + '[yours]\nbase = "mine"\nmax_images = 2')
        assert host("yours", path).max_images == 2

    def test_another_formula_starts_its_parameters_anew(self, file) -> None:
        path = file(
            '[square]\nbase = "qwen3-vl"\nformula = "canvases"\n'
            "params = { canvases = { page = [700, 700, 300] } }\nmax_edge_px = 700"
        )
        assert host("square", path).page_rules.canvases == ((700, 700),)

    @pytest.mark.parametrize(
        ("change", "complaint"),
        [
            (
                ('formula = "smart-resize"', 'formula = "guess"'),
                "formula = 'guess'; known are patch",
            ),
            (('family = "mine"', ""), "family is missing; give a string"),
            (("max_images = 8", "max_images = 0"), "max_images = 0; give a whole number of at"),
            (("max_images = 8", "max_images = true"), "max_images = True; give a whole number"),
            (("max_images = 8", "max_image = 8"), "max_image = 8; no such key; allowed are base"),
            (
                ('["user"]', '["robot"]'),
                r"image_roles = \['robot'\]; give a list of some of system",
            ),
            (('["user"]', "[[1]]"), r"image_roles = \[\[1\]\]; give a list"),
            (('date = "2026-11"', 'date = "lately"'), "date = 'lately'; give \"YYYY-MM\""),
            (("factor_px = 28", "factor_px = 0"), r"params\.factor_px = 0; give a whole number of"),
            (("factor_px = 28", 'factor_px = "a"'), r"params\.factor_px = 'a'; give a whole"),
            (("factor_px = 28, ", ""), r"params\.factor_px is missing; give a whole number"),
            (("factor_px", "facto_px"), r"params\.facto_px = 28; no such key; allowed are factor"),
            (("min_px = 12", "min_px = 1"), r"profiles\.legible\.min_px = 1; give a number of at"),
            (("max_px = 16", "max_px = 11"), r"profiles\.legible\.max_px = 11; .* at least 12"),
            (("max_px = 16", "max_px = nan"), r"profiles\.legible\.max_px = nan; give a number"),
            (("[mine.profiles.dense]", "[mine.profiles.tiny]"), r"profiles\.tiny = .*allowed are"),
            (("max_edge_px = 1008", "max_edge_px = 9"), "max_edge_px = 9; "),
            (('source = "measured"', "source = []"), r"source = \[\]; give a string"),
            (
                ("[mine]", "x = 1\n[mine]\nprices = { cached_input = 1 }"),
                "x = 1 stands outside any",
            ),
            (("[mine]", "[mine]\nprices = { cached_input = 1 }"), r"prices\.input is missing"),
            (("[mine]", "[mine]\nprices = { input = -1 }"), r"prices\.input = -1; give a number"),
            (("[mine]", "[mine]\nprices = 3"), "prices = 3; give a table"),
            (("[mine]", "[mine]\nalternation = 1"), "alternation = 1; give true or false"),
            (("[mine]", '[mine]\nbase = "yours"'), "base = 'yours' is not a host to inherit from"),
            (("[mine]", '[mine]\nbase = "mine"'), "base = 'mine' is not a host to inherit from"),
            (("[mine]", '[a]\nbase = "b"\n[b]\nbase = "a"\n[mine]'), "they form a circle"),
            (("[mine]", "[mine"), "not valid TOML"),
            (("[mine]", "[gpt.5]\nx = 1\n[mine]"), r"host 'gpt': 5 = .*needs quotes"),
        ],
    )
    def test_a_malformed_entry_is_named_with_what_is_allowed(
        self, file, change: tuple[str, str], complaint: str
    ) -> None:
        assert change[0] in WHOLE
        path = file(WHOLE.replace(change[0], change[1], 1))
        with pytest.raises(HostError, match=rf"(?s){path}: .*{complaint}"):
            hosts(path)

    @pytest.mark.parametrize(
        "params",
        [
            'formula = "canvases"\nparams = { canvases = { page = [700, 700] } }',
            'formula = "canvases"\nparams = { canvases = { page = 7 } }',
            'formula = "canvases"\nparams = { canvases = {} }',
            'formula = "levels"\nparams = { levels = {}, cell_px = 48, default = "low" }',
            'formula = "levels"\nparams = { levels = { low = 0 }, cell_px = 48, default = "low" }',
            'formula = "levels"\nparams = { levels = { low = 9 }, cell_px = 48, default = "high" }',
        ],
    )
    def test_malformed_sizes_and_levels_are_refused(self, file, params: str) -> None:
        path = file(f'[odd]\nbase = "gemma-3"\n{params}')
        with pytest.raises(HostError, match="host 'odd'"):
            hosts(path)

    def test_a_file_that_cannot_be_read_is_named(self, tmp_path: Path) -> None:
        with pytest.raises(HostError, match=r"absent\.toml: the hosts file cannot be read"):
            hosts(tmp_path / "absent.toml")
        (tmp_path / "latin.toml").write_bytes(b'[a]\nfamily = "\xe9"')
        with pytest.raises(HostError, match=r"latin\.toml: the hosts file cannot be read"):
            hosts(tmp_path / "latin.toml")
