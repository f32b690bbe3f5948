"""Hand trained actuator nets to the simulators, with a manifest and a proof."""

from importlib.util import find_spec
from pathlib import Path


def _refuse_foreign_identify() -> None:
    """PyPI has another package called `identify` (pre-commit needs it): make sure that ours is imported."""
    ours = Path(__file__).resolve().parent.parent / "identify" / "__init__.py"
    found = find_spec("identify")
    origin = Path(found.origin).resolve() if found and found.origin else None
    if origin != ours:
        raise ImportError(
            f"`import identify` finds {origin} instead of {ours}\n"
            "  where: the import path of this Python\n"
            "  fix:   run from the checkout (python -m deploy …), or put the checkout first on PYTHONPATH"
        )


_refuse_foreign_identify()
