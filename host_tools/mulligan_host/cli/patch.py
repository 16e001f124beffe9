"""``mulligan patch``: from one artifact to another."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import rich_click as click
from rich.console import Console
from rich.table import Table

from mulligan.core import chunks
from mulligan_host import delta, files
from mulligan_host.delta import bench as benchmark
from mulligan_host.delta import explain, others

_FILE = click.Path(path_type=Path, dir_okay=False)
_JSON = click.option("--json", "as_json", is_flag=True, help="Print the figures as JSON.")
_TENSORS = 40  # changes that show prints, the largest first


@click.group()
def patch() -> None:
    """Make a patch from one artifact to another, look into it, apply it, compare it."""


@patch.command()
@click.argument("base", type=_FILE)
@click.argument("new", type=_FILE)
@click.option("-o", "--output", required=True, type=_FILE)
@click.option("--tier", type=click.Choice(["1", "2"]), help="Only this one: 1 takes less memory on the device, 2 is smaller.")
@_JSON
def make(base: Path, new: Path, output: Path, tier: str | None, as_json: bool) -> None:
    """Make the smallest patch that turns BASE into NEW, and say what each way to make it would give."""
    old, target = files.read(base), files.read(new)
    with _progress() as say:
        made = delta.compare(old, target, [int(tier)] if tier else None, say)
    files.write(output, made.data)
    container = chunks.start_of(delta.read_header(made.data), 0)
    if as_json:
        ways = [{"tier": way[0], "strategy": way[1], "size": size} for way, size in sorted(made.sizes.items())]
        facts = {"patch": len(made.data), "container": container, "tier": made.tier, "new": len(target), "ways": ways}
        click.echo(json.dumps(facts, indent=2))
        return
    table = Table("tier", "strategy", "bytes", title="what each way alone gives, less the container", title_justify="left")
    table.columns[2].justify = "right"
    for (number, strategy), size in sorted(made.sizes.items()):
        table.add_row(str(number), strategy, str(size))
    Console().print(table)
    share = f"{100 * len(made.data) / len(target):.1f} % of {new}"
    click.echo(f"{output}  {len(made.data)} bytes, {container} of them container, tier {made.tier}: {share}")


@patch.command()
@click.argument("base", type=_FILE)
@click.argument("patch_file", metavar="PATCH", type=_FILE)
@_JSON
def show(base: Path, patch_file: Path, as_json: bool) -> None:
    """Show what PATCH does to BASE: its segments, its bytes by kind, and what became of the model."""
    found = explain.explain(files.read(base), files.read(patch_file))
    if as_json:
        click.echo(json.dumps(found.plain(), indent=2))
        return
    header, console = found.header, Console()
    click.echo(f"{patch_file}: {found.size} bytes, {found.container} of them container, tier {header.tier}")
    click.echo(f"base      {header.base_size} bytes, SHA-256 {header.base_sha256.hex()}")
    click.echo(f"artifact  {header.new_size} bytes, SHA-256 {header.new_sha256.hex()}, {chunks.count_of(header)} chunks")
    kinds = Table("kind", "segments", "of the artifact", "of the patch", title="bytes by kind", title_justify="left")
    for kind, figures in sorted(found.by_kind().items(), key=lambda item: -item[1][2]):
        kinds.add_row(kind, *map(str, figures))
    console.print(kinds)
    if found.changes:
        console.print(_changes(found.changes))
    for title, names in (("new", found.added), ("gone", found.removed)):
        if names:
            click.echo(f"{title} tensors: {', '.join(names)}")
    if found.structure is not None:
        click.echo(f"beside data and scales {found.structure} bytes differ")


def _changes(changes: list[explain.Change]) -> Table:
    title = f"what became of {len(changes)} tensors" + (
        f", of the {_TENSORS} that changed most" if len(changes) > _TENSORS else ""
    )
    table = Table("tensor", "shape", "values changed", "mean change", "scales changed", title=title, title_justify="left")
    for change in sorted(changes, key=lambda change: -change.changed)[:_TENSORS]:
        table.add_row(
            change.name,
            "×".join(map(str, change.shape)),
            f"{change.changed} of {change.values}" if change.values else "",
            f"{change.mean:.2f}" if change.values else "",
            f"{change.rescaled} of {change.scales}" if change.scales else "",
        )
    return table


@patch.command(name="apply")
@click.argument("base", type=_FILE)
@click.argument("patch_file", metavar="PATCH", type=_FILE)
@click.option("-o", "--output", required=True, type=_FILE)
def apply_(base: Path, patch_file: Path, output: Path) -> None:
    """Apply PATCH to BASE, with the decoder that runs on the device."""
    new = delta.apply(files.read(base), files.read(patch_file))
    files.write(output, new)
    click.echo(f"{output}  {len(new)} bytes, hash as the patch promises")


@patch.command()
@click.argument("directory", type=click.Path(path_type=Path, file_okay=False))
@_JSON
@click.option("--markdown", is_flag=True, help="Print the table as Markdown.")
def bench(directory: Path, as_json: bool, markdown: bool) -> None:
    """Compare our patches with those of other tools, on each directory in DIRECTORY with a file old.* and a file new.*.

    bsdiff4 is always there; detools, HDiffPatch, xdelta3 and zstd where they are installed. All are sizes of files, ours also
    less its container.
    """
    _, missing = others.installed()
    if missing:
        click.echo(f"not compared with, as not installed: {', '.join(missing)}", err=True)
    with _progress() as say:
        rows = [row.plain() for row in benchmark.run(directory, say)]
    if as_json:
        click.echo(json.dumps(rows, indent=2))
        return
    heads = list(rows[0])
    if markdown:
        lines = [heads, ["---", *["---:"] * (len(heads) - 1)], *([str(value) for value in row.values()] for row in rows)]
        click.echo("\n".join(f"| {' | '.join(line)} |" for line in lines))
        return
    table = Table(*heads)
    for row in rows:
        table.add_row(*map(str, row.values()))
    Console().print(table)


@contextmanager
def _progress() -> Iterator[Callable[[str], None]]:
    """Say on the terminal, if there is one, what is being done."""
    console = Console(stderr=True)
    with console.status("reading") as status:
        yield lambda what: status.update(what)
