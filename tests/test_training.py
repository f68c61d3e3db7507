"""Training: the translator, the loss against a hand-written loop, and the guards."""

from __future__ import annotations

import dataclasses
import math
import warnings
from pathlib import Path
from typing import Any

import pytest
import torch
import training_kit as kit

from finetune.errors import DivergedError, SurroundingsError
from finetune.training import StopRequest, TrainingRows, sft_config_words
from finetune.training import checkpoints as ck
from finetune.training.guards import LossGuard
from finetune.training.translate import num_steps

VOCAB = 300


@pytest.fixture(scope="module")
def rows() -> list[kit.Pair]:
    return kit.ragged_rows(16, VOCAB)


# -- translator --------------------------------------------------------------------------------------------------


def test_every_word_is_a_field_of_sft_config(tmp_path: Path) -> None:
    from trl.trainer.sft_config import SFTConfig

    fields = {field.name for field in dataclasses.fields(SFTConfig)}
    assert set(sft_config_words(kit.settings(), kit.plan(), 16, tmp_path)) <= fields


@pytest.mark.parametrize("schedule", ["cosine", "linear", "constant"])
def test_words_are_accepted_without_a_warning(tmp_path: Path, schedule: str) -> None:
    from trl.trainer.sft_config import SFTConfig

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        made = SFTConfig(**sft_config_words(kit.settings(schedule=schedule), kit.plan(), 16, tmp_path))
    assert made.per_device_train_batch_size * made.gradient_accumulation_steps == 4
    assert made.logging_nan_inf_filter is False
    assert made.save_total_limit is None
    assert made.seed == made.data_seed == 0


def test_number_of_steps() -> None:
    assert num_steps(16, 4, 1) == 4
    assert num_steps(17, 4, 1) == 5  # the rest of an epoch is a step of its own
    assert num_steps(17, 4, 3) == 15
    assert num_steps(16, 4, 0.5) == 2
    assert num_steps(3, 4, 0.1) == 1
    assert num_steps(100, 1, 0.07) == 7  # 100 * 0.07 is 7.000000000000001


def test_warmup_is_a_share_of_the_steps(tmp_path: Path) -> None:
    words = sft_config_words(kit.settings(warmup=0.25, epochs=4.0), kit.plan(), 16, tmp_path)
    assert (words["max_steps"], words["warmup_steps"]) == (16, 4)


def test_saves_ten_times_a_run_unless_told_otherwise(tmp_path: Path) -> None:
    def every(**changes: Any) -> int:
        return sft_config_words(kit.settings(**changes), kit.plan(), 400, tmp_path)["save_steps"]

    assert every(save_every=None) == 10
    assert every(save_every=7) == 7


# -- the same mathematics ----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def by_micro_batch(tmp_path_factory: pytest.TempPathFactory, tiny_base: Path, rows: list[kit.Pair]) -> dict:
    found = {}
    for micro in (1, 2, 4):
        run = kit.new_run(tmp_path_factory.mktemp("micro") / str(micro))
        model, result = kit.train(run, tiny_base, rows, micro_batch=micro)
        found[micro] = ([entry["loss"] for entry in run.read_metrics()], result, model)
    return found


def test_batch_size_is_examples_a_step_however_it_is_cut(by_micro_batch: dict) -> None:
    whole = by_micro_batch[4][0]
    assert len(whole) == 4
    for micro in (1, 2):
        losses = by_micro_batch[micro][0]
        assert len(losses) == 4
        assert losses == pytest.approx(whole, abs=1e-5)
    assert max(whole) - min(whole) > 1e-3  # the trajectory moves, so that being equal says something


def test_counts_of_tokens(by_micro_batch: dict, rows: list[kit.Pair]) -> None:
    for _, result, _ in by_micro_batch.values():
        assert result.num_steps == 4
        assert result.tokens_seen == sum(len(ids) for ids, _ in rows)
        assert result.trained_tokens_seen == sum(label != -100 for _, labels in rows for label in labels)


def _by_hand(model: Any, batch: list[kit.Pair]) -> torch.Tensor:
    """Mean nats over the trained tokens of a batch, row by row, without any padding."""
    nats, count = [], 0
    for ids, labels in batch:
        logits = model(input_ids=torch.tensor([ids])).logits[0, :-1]
        wanted = torch.tensor(labels[1:])
        nats.append(torch.nn.functional.cross_entropy(logits, wanted, ignore_index=-100, reduction="sum"))
        count += int((wanted != -100).sum())
    return torch.stack(nats).sum() / count


def test_first_losses_equal_a_loop_written_by_hand(tmp_path: Path, tiny_base: Path, rows: list[kit.Pair]) -> None:
    seen: list[list[int]] = []
    original = LossGuard.saw_batch

    def note(self: LossGuard, batch: list[int], num_labels: int) -> None:
        seen.append(batch)
        original(self, batch, num_labels)

    run = kit.new_run(tmp_path / "run")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(LossGuard, "saw_batch", note)
        trained, _ = kit.train(run, tiny_base, rows, kit.settings(schedule="constant"))
    assert sorted(row for batch in seen for row in batch) == list(range(16))

    model, _ = kit.adapted(tiny_base)
    optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=5e-3, weight_decay=0.0)
    expected = []
    for batch in seen:
        loss = _by_hand(model, [rows[k] for k in batch])
        expected.append(loss.item())
        loss.backward()
        torch.nn.utils.clip_grad_norm_([p for p in model.parameters() if p.requires_grad], 1.0)
        optimizer.step()
        optimizer.zero_grad()
    losses = [entry["loss"] for entry in run.read_metrics()]
    assert losses == pytest.approx(expected, abs=1e-5)
    for ours, theirs in zip(trained.parameters(), model.parameters()):
        assert torch.allclose(ours, theirs, rtol=0, atol=2e-5)  # nothing else, such as decay, moved the weights


def test_padding_is_never_counted_and_the_end_token_is(tmp_path: Path, tiny_base: Path) -> None:
    """Pad is token 0 here: rows full of it, trained, beside a long row, must count just as they are."""
    rows = [([5, 6, 0, 0, 2], [-100, -100, 0, 0, 2]), ([7] * 30 + [2], [-100] * 30 + [2])]
    run = kit.new_run(tmp_path / "run")
    model, _ = kit.adapted(tiny_base)
    expected = _by_hand(model, rows).item()
    _, result = kit.train(run, tiny_base, rows, kit.settings(batch_size=2))
    assert result.final_loss == pytest.approx(expected, abs=1e-5)
    assert result.trained_tokens_seen == 4


def test_trains_only_the_adapter(by_micro_batch: dict, tiny_base: Path) -> None:
    fresh, _ = kit.adapted(tiny_base)
    before = dict(fresh.named_parameters())
    trained = dict(by_micro_batch[4][2].named_parameters())
    for name, tensor in trained.items():
        assert torch.equal(tensor, before[name]) == ("lora_" not in name), name


def test_nothing_on_stdout_and_no_future_warning(tmp_path: Path, tiny_base: Path, rows: list, capfd: Any) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error", FutureWarning)
        kit.train(kit.new_run(tmp_path / "run"), tiny_base, rows[:4])
    assert capfd.readouterr().out == ""


def test_held_out_curve_at_ten_points_and_at_the_end(tmp_path: Path, tiny_base: Path, rows: list) -> None:
    run = kit.new_run(tmp_path / "run")
    words = kit.settings(epochs=5.0, log_every=1000, save_every=1000)
    kit.train(run, tiny_base, rows, words, held_out=rows[:3])
    measured = [entry["step"] for entry in run.read_metrics() if "held_out_loss" in entry]
    assert measured == list(range(2, 21, 2))
    assert kit.steps_of(run) == [1, *measured]  # log_every spares the rest; the first step is always there


def test_measuring_the_held_out_curve_changes_nothing(tmp_path: Path, tiny_base: Path, rows: list) -> None:
    words = kit.settings()
    with_curve, _ = kit.train(kit.new_run(tmp_path / "a"), tiny_base, rows, words, dropout=0.1, held_out=rows[:3])
    without, _ = kit.train(kit.new_run(tmp_path / "b"), tiny_base, rows, words, dropout=0.1)
    assert kit.adapter_hash(with_curve) == kit.adapter_hash(without)


def test_several_gpus_do_not_multiply_the_batch(tmp_path: Path, tiny_base: Path, rows: list) -> None:
    from trl.trainer.sft_config import SFTConfig

    run = kit.new_run(tmp_path / "run")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(SFTConfig, "_n_gpu", 2, raising=False)
        patch.setattr(SFTConfig, "n_gpu", property(lambda self: self._n_gpu), raising=False)
        _, result = kit.train(run, tiny_base, rows)
    assert result.num_steps == 4
    assert result.tokens_seen == sum(len(ids) for ids, _ in rows)


# -- guards ------------------------------------------------------------------------------------------------------


def _poison_base(model: Any) -> None:
    with torch.no_grad():
        next(p for name, p in model.named_parameters() if "lora_" not in name).fill_(float("nan"))


def test_fault_81_nan_in_the_base_stops_before_the_first_step(tmp_path: Path, tiny_base: Path, rows: list) -> None:
    run = kit.new_run(tmp_path / "run")
    places = tuple(f"rows.csv:{number + 2}" for number in range(16))
    with pytest.raises(DivergedError) as caught:
        kit.train(run, tiny_base, rows, prepare_model=_poison_base, places=places)
    assert caught.value.exit_code == 5
    text = str(caught.value)
    assert "nan" in text and "rows.csv:" in text and "stopped before the step" in text and "learning_rate" in text
    assert kit.saved_steps(run) == [] and run.read_metrics() == []


def test_fault_81_nan_later_keeps_the_last_good_checkpoint(tmp_path: Path, tiny_base: Path, rows: list) -> None:
    run = kit.new_run(tmp_path / "run")

    def poison(step: int, steps: int, loss: float) -> None:
        if step == 2:
            poisoned.append(step)

    poisoned: list[int] = []
    original = LossGuard.saw_loss

    def saw(self: LossGuard, loss: float) -> None:
        original(self, float("nan") if poisoned else loss)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(LossGuard, "saw_loss", saw)
        with pytest.raises(DivergedError, match=r"rows \d+"):
            kit.train(run, tiny_base, rows, on_step=poison)
    newest = ck.find_resumable(run.checkpoints_dir, run.manifest["run_id"], lambda line: None)
    assert newest is not None and newest.step == 2
    assert kit.steps_of(run) == [1, 2]


def _finite(folder: Path) -> bool:
    from safetensors.torch import load_file

    return all(torch.isfinite(tensor).all() for tensor in load_file(folder / "adapter_model.safetensors").values())


def test_fault_81_a_rate_that_explodes(tmp_path: Path, tiny_base: Path, rows: list) -> None:
    run = kit.new_run(tmp_path / "run")
    with pytest.raises(DivergedError) as caught:
        kit.train(run, tiny_base, rows, kit.settings(learning_rate=1e30, schedule="constant"))
    assert caught.value.exit_code == 5
    for checkpoint in ck.checkpoints(run.checkpoints_dir):
        ck.verify_checkpoint(checkpoint, run.manifest["run_id"])
        assert _finite(checkpoint.path)
    assert kit.leftovers(run.checkpoints_dir) == []


@pytest.mark.parametrize("held_out", [False, True])
def test_fault_81_weights_that_a_step_broke_are_not_saved(
    tmp_path: Path, tiny_base: Path, rows: list, held_out: bool
) -> None:
    """The loss of a step is seen before it; what the step itself breaks must be seen before the save."""
    run = kit.new_run(tmp_path / "run")
    models: list[Any] = []

    original = LossGuard.before_step

    def poison(self: LossGuard, gradient_norm: float, skips_overflow: bool = False) -> None:
        original(self, gradient_norm, skips_overflow)
        if len(run.read_metrics()) == 2:
            parameter = next(p for p in models[0].parameters() if p.requires_grad)
            parameter.grad.fill_(float("inf"))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(LossGuard, "before_step", poison)
        measured = rows[:2] if held_out else []
        with pytest.raises(DivergedError, match="step 3 left weights that are no numbers") as caught:
            kit.train(run, tiny_base, rows, prepare_model=models.append, held_out=measured)
    assert caught.value.exit_code == 5
    assert kit.saved_steps(run) == [2, 1]
    assert all(_finite(checkpoint.path) for checkpoint in ck.checkpoints(run.checkpoints_dir))


def test_fault_82_divergence(tmp_path: Path, tiny_base: Path, rows: list) -> None:
    run = kit.new_run(tmp_path / "run")
    words = kit.settings(learning_rate=1e6, schedule="constant", epochs=5.0, save_every=None)
    with pytest.raises(DivergedError, match="stopped before the step") as caught:
        kit.train(run, tiny_base, rows, words)
    assert "train.learning_rate=100000" in str(caught.value)
    assert len(run.read_metrics()) < 12


def test_fault_83_no_label_stops_at_step_1(tmp_path: Path, tiny_base: Path) -> None:
    run = kit.new_run(tmp_path / "run")
    rows = [(ids, [-100] * len(ids)) for ids, _ in kit.ragged_rows(8, VOCAB)]
    with pytest.raises(DivergedError, match="no token of this batch is trained") as caught:
        kit.train(run, tiny_base, rows)
    assert caught.value.exit_code == 5
    assert run.read_metrics() == []


def test_a_pass_without_labels_is_no_fault_when_its_step_has_some(tmp_path: Path, tiny_base: Path) -> None:
    rows = kit.ragged_rows(4, VOCAB)
    rows[1] = (rows[1][0], [-100] * len(rows[1][0]))
    _, result = kit.train(kit.new_run(tmp_path / "run"), tiny_base, rows, micro_batch=1)
    assert math.isfinite(result.final_loss)


def _steps(guard: LossGuard, losses: list[float], gradient: float = 1.0, **words: Any) -> None:
    for loss in losses:
        guard.saw_batch([0], 3)
        guard.saw_loss(loss)
        guard.before_step(gradient, **words)


def test_guard_lets_a_rough_start_pass() -> None:
    guard = LossGuard(1e-3)
    _steps(guard, [2.0, 6.0, 6.0, 6.0, 6.0, 2.0, 6.0, 6.0, 6.0, 6.0])
    assert guard.last_step_loss == 6.0


def test_guard_stops_at_the_fifth_high_step_on_end() -> None:
    guard = LossGuard(1e-3)
    with pytest.raises(DivergedError, match=r"rose from 2 to 5\.1"):
        _steps(guard, [2.0] + [5.1] * 5)


def test_guard_measures_against_the_start_after_a_resumption() -> None:
    guard = LossGuard(1e-3)
    guard.restore(1.0)
    with pytest.raises(DivergedError):
        _steps(guard, [3.1] * 5)


def test_guard_zero_gradient() -> None:
    guard = LossGuard(1e-3)
    _steps(guard, [1.0], 0.0)
    with pytest.raises(DivergedError, match="exactly zero"):
        _steps(guard, [1.0], 0.0)


def test_guard_leaves_overflow_to_a_loss_scaler_for_a_while() -> None:
    guard = LossGuard(1e-3)
    _steps(guard, [1.0] * 20, math.inf, skips_overflow=True)
    with pytest.raises(DivergedError):
        _steps(guard, [1.0] * 20, math.inf, skips_overflow=True)
    with pytest.raises(DivergedError):
        _steps(LossGuard(1e-3), [1.0], math.inf)
    with pytest.raises(DivergedError) as caught:
        _steps(LossGuard(5e-3, ratio=16.0), [1.0], math.inf)
    assert str(caught.value).endswith(
        "Fix: try --set train.learning_rate=0.0005 (now 0.005), or --set adapter.learning_rate_ratio=1 (now 16: B "
        "learns at 0.08)"
    )


def test_disk_full_while_writing_metrics(tmp_path: Path, tiny_base: Path, rows: list) -> None:
    run = kit.new_run(tmp_path / "run")
    run.metrics_path.symlink_to("/dev/full")
    if not Path("/dev/full").exists():
        pytest.skip("this system has no /dev/full")
    with pytest.raises(SurroundingsError, match=r"metrics\.jsonl.*No space left"):
        kit.train(run, tiny_base, rows)


def test_stop_request_outside_the_loop_raises_what_no_library_swallows() -> None:
    import signal

    from finetune.errors import CancelledError, StoppedError
    from finetune.training import StopNow

    assert not issubclass(StopNow, Exception)
    for number, kind in ((signal.SIGTERM, StoppedError), (signal.SIGINT, CancelledError)):
        stop = StopRequest()
        stop.advice = "go on with: finetune run r --resume --output o"
        with pytest.raises(StopNow):
            stop.handle(number, None)
        assert isinstance(stop.error(), kind)
        assert str(stop.error()).endswith("nothing was saved yet. Fix: go on with: finetune run r --resume --output o")


def test_stop_request_in_the_loop_waits_for_the_second_ctrl_c() -> None:
    import signal

    from finetune.errors import CancelledError
    from finetune.training import StopNow

    stop = StopRequest()
    stop.in_loop, stop.saved_step = True, 7
    stop.handle(signal.SIGINT, None)
    stop.handle(signal.SIGTERM, None)
    with pytest.raises(StopNow):
        stop.handle(signal.SIGINT, None)
    assert isinstance(stop.error(), CancelledError) and "step 7 is saved" in str(stop.error())


def test_handlers_come_back() -> None:
    import signal

    before = signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)
    with StopRequest().listening():
        assert signal.getsignal(signal.SIGTERM) != before[0]
    assert (signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)) == before


def test_rows_may_have_no_places() -> None:
    assert TrainingRows([], []).places == ()
