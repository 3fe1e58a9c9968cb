"""`pepperpy completion`: the script that makes a shell complete commands and options."""

from typing import Annotated, Literal

import typer

Shell = Literal["bash", "zsh", "fish"]

INSTALL: dict[str, str] = {
    "bash": "mkdir -p ~/.local/share/bash-completion/completions && "
    "pepperpy completion bash > ~/.local/share/bash-completion/completions/pepperpy",
    "zsh": "mkdir -p ~/.zfunc && pepperpy completion zsh > ~/.zfunc/_pepperpy; "
    "~/.zshrc needs: fpath+=~/.zfunc; autoload -Uz compinit; compinit",
    "fish": "mkdir -p ~/.config/fish/completions && "
    "pepperpy completion fish > ~/.config/fish/completions/pepperpy.fish",
}


def command(
    shell: Annotated[Shell, typer.Argument(help="bash, zsh or fish.", show_default=False)],
) -> None:
    """Print the completion script for a shell, to be saved where it looks for them."""
    from typer._completion_shared import get_completion_script

    script = get_completion_script(
        prog_name="pepperpy", complete_var="_PEPPERPY_COMPLETE", shell=shell
    )
    typer.echo(script)
    typer.echo(f"# for good: {INSTALL[shell]}", err=True)
    if shell != "fish":
        typer.echo(f'# now only: eval "$(pepperpy completion {shell})"', err=True)
    else:
        typer.echo("# now only: pepperpy completion fish | source", err=True)
