"""A command line that scripts can live with: defaults in its help, statuses, ends without tracebacks, free ports."""

import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from safetensors.torch import load_file, save_file

from app.__main__ import main
from app.cli import interruption
from app.cli.terminal import follow
from app.root import ROOT
from core import __version__
from core.records.events import Event, Stage
from core.records.spec import RunSpec
from tests.support.cli_reference import commands
from tests.support.commands import Cli
from tests.support.finished import Finished


def test_help_says_every_default() -> None:
    for name, command in commands().items():
        said = re.sub(r"\s+", " ", command.format_help())
        for action in command._actions:
            if action.option_strings and isinstance(action.default, int | float) and not action.const:
                assert f"(default: {action.default})" in said or action.nargs == 0, (name, action.option_strings)
            if action.option_strings and action.nargs != 0 and not action.required and not action.const:
                group = next((g for g in command._mutually_exclusive_groups if action in g._group_actions), None)
                among = group._group_actions if group is not None else [action]
                told = any("default" in (it.help or "") or it.default not in (None, (), [], "") for it in among)
                assert told or (group and group.required) or name == "label", (name, action.option_strings)
        assert "(default: False)" not in said and "(default: None)" not in said and "(default: ())" not in said


@pytest.mark.parametrize("program", ["quorum", "python -m app"])
def test_version(program: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--version"], program)
    assert ended.value.code == 0 and capsys.readouterr().out == f"quorum {__version__}\n"


def test_latest_is_the_newest_run(cli: Cli, finished: Finished, spec: RunSpec) -> None:
    older, newer = finished(spec, RunSpec(**{**vars(spec), "seed": 1}))
    assert cli("show", "latest")[1]["run"] == newer != older
    assert [row["run"] for row in cli("runs")[1]["runs"]] == [newer, older]


def test_runs_for_a_person(
    cli: Cli, finished: Finished, spec: RunSpec, cache_file: Path, tiny: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    [run] = finished(spec)
    assert main(["runs", "--cache", str(cache_file)]) == 0
    head, row, *_ = capsys.readouterr().out.splitlines()
    starts = [found.start() for found in re.finditer(r"\S+(?: \S+)*", head)]
    cells = [row[begin:end].strip() for begin, end in zip(starts, [*starts[1:], None], strict=True)]
    shown = dict(zip(re.split(r"\s{2,}", head), cells, strict=True))
    [known] = cli("runs")[1]["runs"]
    assert shown["run"] == run and shown["model"] == tiny.name and shown["layers"] == "8"
    assert shown["dense"] == f"{known['dense_perplexity']:.2f}"
    assert shown["within 20%"] == ("not searched" if known["can_go"] is None else f"{known['can_go']} can go")


def test_a_target_that_is_missed_has_a_status_of_its_own(cli: Cli, finished: Finished, spec: RunSpec) -> None:
    [run] = finished(spec)
    asked = ("select", run, "--parameters", 1, "--most", 2, "--units", 0.1)
    plain, failing = cli(*asked), cli(*asked, "--fail")
    assert plain[0] == 1 and failing[0] == 3
    assert plain[1]["error"]["kind"] == failing[1]["error"]["kind"] == "TargetMissed"
    assert cli("select", run, "--count", 1, "--most", 2, "--units", 0.1, "--fail")[0] == 0
    assert cli("select", "nope", "--fail")[0] == 1  # another failure


def test_an_export_that_is_too_bad_is_not_written(cli: Cli, finished: Finished, spec: RunSpec, tmp_path: Path) -> None:
    [run] = finished(spec)
    needed = max(cli("show", run)[1]["contributions"], key=lambda item: item["value"])["layer"]
    out = tmp_path / "smaller"
    asked = ("export", run, "--remove", needed, "--out", out, "--fail-above")
    status, answer, _ = cli(*asked, "0.0001%")
    assert status == 3 and answer["error"]["kind"] == "TargetMissed" and not list(tmp_path.glob("*smaller*"))
    status, _, errors = cli(*asked, "1000000%")
    assert status == 0, errors
    assert cli(*asked, "0.0001%")[0] == 3  # there, and measured again


def test_an_export_that_was_stopped_after_it_was_written_goes_on(
    cli: Cli, finished: Finished, spec: RunSpec, tmp_path: Path
) -> None:
    [run] = finished(spec)
    out = tmp_path / "smaller"
    first = cli("export", run, "--remove", "1,2", "--out", out)[1]
    files = {file.name: file.stat().st_mtime_ns for file in out.iterdir()}
    status, again, errors = cli("export", run, "--remove", "1,2", "--out", out)
    assert status == 0, errors
    assert again | {"seconds": 0} == first | {"seconds": 0}
    assert {file.name: file.stat().st_mtime_ns for file in out.iterdir()} == files
    other = cli("export", run, "--remove", "1,3", "--out", out)
    assert other[0] == 1 and "exists already" in other[1]["error"]["message"]
    (out / "quorum.json").unlink()
    assert cli("export", run, "--remove", "1,2", "--out", out)[0] == 1


def test_a_damaged_export_is_not_taken_for_a_good_one(
    cli: Cli, finished: Finished, spec: RunSpec, tmp_path: Path
) -> None:
    [run] = finished(spec)
    out = tmp_path / "smaller"
    cli("export", run, "--remove", "1,2", "--out", out)
    weights = load_file(out / "model.safetensors")
    save_file({name: weight * 2 for name, weight in weights.items()}, out / "model.safetensors", {"format": "pt"})
    status, answer, _ = cli("export", run, "--remove", "1,2", "--out", out)
    assert status == 1 and answer["error"]["kind"] == "ExportError"


def test_a_taken_port_is_named_with_the_next_free_one(cli: Cli) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        status, answer, _ = cli("serve", "--port", port)
        assert status == 1 and answer["error"]["kind"] == "PortTaken"
        free = int(re.findall(r"--port (\d+)", answer["error"]["hint"])[0])
    with socket.socket() as tried:
        tried.bind(("127.0.0.1", free))
    for wrong in (("--port", 10**6), ("--address", "192.0.2.1")):  # no port, and no address of any machine
        answer = cli("serve", *wrong)[1]
        assert answer["error"]["kind"] == "PortTaken" and "--address 127.0.0.1" in answer["error"]["hint"]


INSTALLED = ("-c", "import sys; from app.__main__ import command; sys.exit(command())")  # as the script quorum does it


@pytest.mark.parametrize("module", ["app.cli.arguments", "app.cli.parser", "torch"])
@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGTERM], ids=["int", "term"])
@pytest.mark.parametrize("program", [("-m", "app"), INSTALLED], ids=["module", "quorum"])
def test_interrupted_while_it_starts(
    program: tuple[str, ...], module: str, ending: signal.Signals, cache_file: Path
) -> None:
    started = subprocess.Popen(
        [sys.executable, "-X", "importtime", *program, "doctor", "--cache", str(cache_file)],
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert started.stderr is not None
    for line in started.stderr:
        if line.rstrip().endswith(f" {module}"):
            break
    started.send_signal(ending)
    _, errors = started.communicate(timeout=120)
    assert "Traceback" not in errors and "KeyboardInterrupt" not in errors
    assert started.returncode in (0, 1, 130, -ending)


def test_an_interruption_that_a_library_loses_is_raised_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(interruption, "_wishes", [])
    before = {ending: signal.getsignal(ending) for ending in interruption.ENDINGS}
    told: list[str] = []

    def deaf() -> Iterator[Event]:
        yield Stage("one")
        with suppress(BaseException):
            signal.raise_signal(signal.SIGINT)
        told.append("it went on")
        yield Stage("two")
        yield Stage("three")
        told.append("to the end")

    interruption.heed()
    try:
        with pytest.raises(KeyboardInterrupt):
            follow(deaf())
    finally:
        for ending, handler in before.items():
            signal.signal(ending, handler)
    assert told == ["it went on"]


def test_a_command_that_computes_nothing_starts_without_what_computes_and_draws(cache_file: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "app", "runs", "--cache", str(cache_file)],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    loaded = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    assert done.returncode == 0 and "app.cli.parser" in loaded
    assert not loaded & {"torch", "transformers", "scipy.stats", "sklearn", "plotly", "streamlit"}


def test_whoever_reads_may_stop_reading(cache_file: Path, finished: Finished, spec: RunSpec) -> None:
    finished(spec)
    command = f"'{sys.executable}' -m app values latest --json --cache '{cache_file}' | head -c 1"
    done = subprocess.run(["bash", "-o", "pipefail", "-c", command], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0 and done.stdout == "{" and "Traceback" not in done.stderr
    assert "BrokenPipe" not in done.stderr


def test_a_shell_completes_commands_and_options(cli: Cli, tmp_path: Path) -> None:
    script = tmp_path / "quorum.bash"
    script.write_text(cli("completion", "bash")[1]["script"])
    asks = f"""source {script}
        complete -p quorum
        COMP_WORDS=(quorum perpl); COMP_CWORD=1; COMP_LINE="quorum perpl"; COMP_POINT=12
        $(complete -p quorum | sed 's/.*-F \\([^ ]*\\).*/\\1/') quorum perpl quorum
        echo "${{COMPREPLY[@]}}" """
    done = subprocess.run(["bash", "-c", asks], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split()[-1] == "perplexity"
    assert all(name.split()[0] in script.read_text() for name in commands())
