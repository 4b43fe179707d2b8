"""Find code that Brian2 failed to compile and would silently leave out.

``CythonExtensionManager`` catches the compiler's ``CompileError`` and goes on without the block
(Brian2 2.9 to 2.11): the simulation runs, and its results are wrong.
"""

from __future__ import annotations

from brian2 import Network

from ssdp_hw.errors import TargetRunError


def uncompiled_blocks(network: Network) -> list[str]:
    """Names of code objects that have a source but nothing to run."""
    return [
        code_object.name
        for owner in network.sorted_objects
        for code_object in owner.code_objects
        if getattr(code_object.code, "run", None)
        and "EMPTY_CODE_BLOCK" not in code_object.code.run
        and code_object.compiled_code.get("run") is None
    ]


def check_compiled(network: Network) -> None:
    """Raise if a block of this network, prepared by ``network.run(0)``, did not compile.

    Raises:
        TargetRunError: names every such block.
    """
    blocks = uncompiled_blocks(network)
    if blocks:
        raise TargetRunError(
            f"brian2 could not compile {', '.join(blocks)} and would leave it out of the simulation; "
            "is there a working C++ compiler? The option codegen='numpy' needs none"
        )
