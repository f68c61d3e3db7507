"""Floor 6: a run's adapter made ready to be handed on: a clean folder with card, proof and the hash of each file.

Knows neither training nor evaluation: it reads the run folder.
"""

from finetune.sharing.package import PACKAGE_FILE, PACKAGE_SCHEMA, share_run

__all__ = ["PACKAGE_FILE", "PACKAGE_SCHEMA", "share_run"]
