"""The faults 17 to 24: code, secrets, paths and versions in a recipe, `--set`, and the recipe file itself."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from test_recipe_faults import HEAD, accepted, folder, refusal

from finetune import recipe
from finetune.errors import RecipeError

__all__ = ["folder"]  # the fixture of test_recipe_faults, used here too
SECRET = (
    "this looks like a secret (a password, a token or a private key); its text is not shown here. "
    "Fix: delete it and replace it where it was issued; log in with the tool that needs it"
)
TOKEN = "hf_" + "aB3" * 12


def test_fault_17_no_code_and_no_environment():
    text = HEAD + "env: {PYTHONPATH: .}\nplugins: [os]\ntrain: {hooks: [x]}\nname: ${oc.env:HOME}\n"
    lines = refusal(text).splitlines()
    no_code = "a recipe runs no code. Fix: delete it; code belongs in a program that imports finetune"
    assert lines[0] == (
        "recipe.yaml:4:1: env: a recipe sets no environment variables. Fix: set them in the shell, before the command"
    )
    assert lines[1] == f"recipe.yaml:5:1: plugins: {no_code}"
    assert lines[2] == f"recipe.yaml:6:9: train.hooks: {no_code}"
    assert (
        "recipe.yaml:7:1: name: variables such as ${...} are not filled in (got '${oc.env:HOME}'). "
        "Fix: write the value itself, or give it with --set"
    ) in lines


def test_fault_18_trust_remote_code():
    text = "recipe: 1\nbase: {model: starter, trust_remote_code: true}\ndata: {train: rows.jsonl}\n"
    assert refusal(text) == (
        "recipe.yaml:2:24: base.trust_remote_code: a recipe cannot allow a model's own code to run: it could do "
        "anything on this machine, and changes with its hub. Fix: delete it; Aquila, openPangu, ERNIE and InternLM "
        "load without it, and another base does once it is converted to a layout that transformers knows "
        "(docs/families.md)"
    )
    assert refusal(HEAD, trust_remote_code=True) == (
        "--trust-remote-code: a model's own code never runs: it could do anything on this machine, and changes with "
        "its hub. Fix: leave it out; Aquila, openPangu, ERNIE and InternLM load without it, and another base does once "
        "it is converted to a layout that transformers knows (docs/families.md)"
    )


def test_fault_19_urls():
    with pytest.raises(RecipeError) as caught:
        recipe.load("https://example.org/recipe.yaml")
    assert str(caught.value) == (
        "https://example.org/recipe.yaml: a recipe is not read from a URL. "
        "Fix: download the file, read it, then run the copy"
    )
    assert refusal(HEAD + "extends: https://example.org/r.yaml\n") == (
        "recipe.yaml:4:1: extends: a recipe is not read from a URL (got 'https://example.org/r.yaml'). "
        "Fix: download the file, read it, then name the copy"
    )
    assert refusal(HEAD.replace("rows.jsonl", "https://e.org/a.jsonl")) == (
        "recipe.yaml:3:8: data.train: files are not read from a URL (got 'https://e.org/a.jsonl'). "
        "Fix: download it beside the recipe"
    )
    assert refusal(HEAD.replace("starter", "https://huggingface.co/Qwen/Qwen3-0.6B/tree/main")).endswith(
        "Fix: write Qwen/Qwen3-0.6B"
    )


def test_fault_20_paths_outside_the_folder(folder):
    outside = folder.parent / "secret.jsonl"
    outside.write_text("{}\n")
    fix = "Fix: put a copy beside the recipe, or allow it with --allow-outside"
    what = "recipe.yaml:3:8: data.train: lies outside the recipe's folder"
    text = HEAD.replace("rows.jsonl", "../secret.jsonl")
    assert refusal(text) == f"{what} (got '../secret.jsonl', that is {outside}). {fix}"
    assert refusal(HEAD.replace("rows.jsonl", str(outside))) == f"{what} (got '{outside}'). {fix}"
    home = os.path.expanduser("~")
    assert refusal(HEAD.replace("rows.jsonl", "~/a.jsonl")) == (
        f"{what} (got '~/a.jsonl', that is {home}/a.jsonl). {fix}"
    )
    for foreign in ("//server/share/a.jsonl", "'\\\\server\\share'", "'C:\\data\\a.jsonl'"):
        assert refusal(HEAD.replace("rows.jsonl", foreign)).startswith(what)
    assert refusal(HEAD.replace("rows.jsonl", "'../*.jsonl'")).startswith(what)
    (folder / "link.jsonl").symlink_to(outside)
    assert refusal(HEAD.replace("rows.jsonl", "link.jsonl")).startswith(what)
    loaded = accepted(text, allow_outside=True)
    assert loaded.notes == (f"data.train lies outside the recipe's folder: {outside}",)
    # The user's own word on the command line may name any path.
    assert accepted(HEAD, "data.train=../secret.jsonl").recipe.data.train == "../secret.jsonl"


def test_fault_20_extends_outside_the_folder(folder):
    (folder.parent / "other.yaml").write_text(HEAD)
    message = refusal("recipe: 1\nextends: ../other.yaml\n")
    assert message == (
        f"recipe.yaml:2:1: extends: lies outside the recipe's folder (got '../other.yaml', that is "
        f"{folder.parent / 'other.yaml'}). Fix: put a copy beside the recipe, or allow it with --allow-outside"
    )
    (folder.parent / "rows.jsonl").write_text("{}\n")
    loaded = accepted("recipe: 1\nextends: ../other.yaml\n", allow_outside=True)
    assert loaded.path_of("data.train", "rows.jsonl").resolve() == folder.parent / "rows.jsonl"


@pytest.mark.parametrize(
    "secret",
    [
        TOKEN,
        "sk-proj-" + "a1B2" * 8,
        "AKIA" + "ABCD2345" * 2,
        "wandb_key " + "0a" * 20,
        "-----BEGIN RSA PRIVATE KEY-----",
        "ghp_" + "a1B2" * 9,
    ],
)
def test_fault_21_secrets_are_refused_and_never_printed(secret):
    for text in (
        HEAD + f"name: x\n# {secret}\n",
        HEAD + f"description: '{secret}'\n",
        HEAD + f"train: {{epochs: '{secret}'}}\n",
        HEAD + f"'{secret}': 1\n",
        HEAD + f"share:\n  title: '{secret}\n",
        HEAD.replace("rows.jsonl", f"'{secret}'"),
    ):
        message = refusal(text)
        assert SECRET in message
        assert secret not in message
    Path("recipe.yaml").write_text(HEAD)
    with pytest.raises(RecipeError) as caught:
        recipe.load("recipe.yaml", [f"share.title={secret}"])
    assert secret not in str(caught.value)
    assert "--set: share.title: this looks like a secret" in str(caught.value)


def test_fault_21_message_and_password_keys():
    assert refusal(HEAD + f"description: {TOKEN}\n") == f"recipe.yaml:4:14: description: {SECRET}"
    message = refusal(HEAD + "share:\n  password: hunter2\n  hub_token: [hunter3]\n")
    assert message.splitlines()[0] == (
        "recipe.yaml:5:3: share.password: a secret does not belong in a recipe. "
        "Fix: delete it, and log in with the tool that needs it"
    )
    assert "hunter" not in message
    # A commit is no secret, although it has the form of one.
    revision = "c1899de289a04d12100db370d81485cdf75e47ca"
    assert accepted(HEAD.replace("starter", f"Qwen/Qwen3-0.6B, revision: {revision}"))


def test_fault_22_newer_format_and_no_format():
    assert refusal("recipe: 3\nshiny: 1\n") == (
        "recipe.yaml:1:1: recipe: needs a newer finetune-kit; this one reads format 1 (got 3). "
        "Fix: upgrade finetune-kit"
    )
    assert refusal(HEAD.removeprefix("recipe: 1\n")) == (
        "recipe.yaml: recipe: required. Fix: write 'recipe: 1' on the first line"
    )
    assert refusal("recipe: 1\n") == (
        "recipe.yaml: base: required. Fix: write, for example, base: {model: Qwen/Qwen3-0.6B}\n"
        "recipe.yaml: data: required. Fix: write, for example, data: {train: my_rows.jsonl}"
    )


def test_fault_23_overrides_have_the_same_messages():
    assert refusal(HEAD, "train.learning_rat=1") == (
        "--set: train.learning_rat: unknown key; did you mean 'learning_rate'?"
    )
    assert refusal(HEAD, "train.epochs=x") == (
        "--set: train.epochs: expected a number (got 'x'). Fix: write, for example, epochs: 3"
    )
    assert refusal(HEAD, "trian.epochs=1") == "--set: trian: unknown key; did you mean 'train'?"
    assert refusal(HEAD, "train.epochs") == (
        "--set: expected key=value with a dotted key (got 'train.epochs'). "
        "Fix: write, for example, --set train.learning_rate=1e-4"
    )
    assert refusal(HEAD, "data.train=gone.jsonl") == (
        "--set: data.train: no such file (got 'gone.jsonl'). Fix: put it into the current folder, or correct the path"
    )
    assert refusal(HEAD, "share.title=[a").startswith("--set: share.title: a bracket is not closed")
    assert refusal(HEAD, "extends=x") == (
        "--set: extends: cannot be set on the command line (got 'x'). Fix: write it in the recipe"
    )


def test_fault_24_the_recipe_itself(folder):
    for name, what in (("gone.yaml", "no such recipe"), (".", "is a folder without a recipe.yaml")):
        with pytest.raises(RecipeError) as caught:
            recipe.load(name)
        assert caught.value.exit_code == 2
        assert str(caught.value).startswith(f"{name}: {what}. Fix: ")
    for name in ("x" * 5000, "a\0b"):
        with pytest.raises(RecipeError):
            recipe.load(name)


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_fault_24_unreadable(folder):
    (folder / "recipe.yaml").write_text(HEAD)
    (folder / "recipe.yaml").chmod(0)
    with pytest.raises(RecipeError) as caught:
        recipe.load("recipe.yaml")
    assert str(caught.value) == "recipe.yaml: permission denied. Fix: check the file and its permissions"
