"""Floor 5: training. Composes TRL's SFTTrainer; the only room that speaks to trl."""

from finetune.training.checkpoints import Checkpoint, disk_errors, find_resumable, verify_checkpoint
from finetune.training.guards import StopNow, StopRequest
from finetune.training.proof import Proof, prove_path
from finetune.training.steps import ComputePath, foreseen_order
from finetune.training.trackers import require_trackers
from finetune.training.train import TrainingRows, TrainResult, train
from finetune.training.translate import sft_config_words

__all__ = [
    "Checkpoint",
    "ComputePath",
    "Proof",
    "StopNow",
    "StopRequest",
    "TrainResult",
    "TrainingRows",
    "disk_errors",
    "find_resumable",
    "foreseen_order",
    "prove_path",
    "require_trackers",
    "sft_config_words",
    "train",
    "verify_checkpoint",
]
