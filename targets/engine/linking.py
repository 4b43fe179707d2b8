"""How Numba compiles the engine's functions: in fewer passes, and each function's LLVM code is optimised once.

Numba optimises a function and makes machine code of it as soon as it is lowered to LLVM's language, and again as a part
of each function that calls it, and of that one's callers. Here a function that only compiled code calls stays as it was
lowered until a function is compiled by which Python, or an address, reaches it: that one is optimised together with all
that it calls.

Custom pipelines are a documented part of Numba, but what a library of code does when it is finished has no public name.
A Numba without these names compiles the same functions to the same results, in more time.
"""

from __future__ import annotations

from typing import Any

from numba.core import compiler, typed_passes, untyped_passes
from numba.core.codegen import JITCodeLibrary
from numba.core.compiler_machinery import PassManager, register_pass
from numba.core.typed_passes import NativeLowering

try:
    from numba import _dynfunc
except ImportError:
    _dynfunc = None

# What the two libraries below replace or read, of their class and of each.
_OF_CLASS = (
    "_optimize_functions",
    "_optimize_final_module",
    "_get_module_for_linking",
    "finalize",
    "_raise_if_finalized",
)
_OF_LIBRARY = ("_linking_libraries", "_final_module", "_reload_init", "_finalized", "_codegen")
_OF_CODEGEN = ("_data_layout", "_module_pass_manager")


class _Linked(JITCodeLibrary):  # type: ignore[misc]
    """Code that is linked into that of its callers as it was lowered."""

    def _optimize_functions(self, ll_module: Any) -> None:
        ll_module.data_layout = self._codegen._data_layout

    def finalize(self) -> None:
        """Link what the function calls."""
        self._raise_if_finalized()
        for library in dict.fromkeys(self._linking_libraries):
            self._reload_init.update(library._reload_init)
            self._final_module.link_in(library._get_module_for_linking(), preserve=True)
        self._finalized = True


class _Whole(JITCodeLibrary):  # type: ignore[misc]
    """Code of a function that is optimised with all that it calls."""

    def _optimize_functions(self, ll_module: Any) -> None:
        """Nothing: all passes over functions are among those over the module that follow."""
        ll_module.data_layout = self._codegen._data_layout

    def _optimize_final_module(self) -> None:
        """Once: Numba optimises before and after it removes counts of references, of which this code has none."""
        passes, builder = self._codegen._module_pass_manager()
        passes.run(self._final_module, builder)


class _Lowering(NativeLowering):  # type: ignore[misc]
    """Numba's lowering, to a library of our own."""

    library: type[JITCodeLibrary] = _Whole

    def run_pass(self, state: Any) -> bool:
        """Lower; a function that is only linked has no machine code, and its callers are told where its code is."""
        made = self.library(state.targetctx.codegen(), state.func_id.func_qualname)
        if not _is_known(made):
            return bool(super().run_pass(state))
        made.enable_object_caching()
        state.library, linked = made, self.library is _Linked
        state.flags.no_compile |= linked
        super().run_pass(state)
        if linked:
            lowered = state["cr"]
            module, name = lowered.fndesc.lookup_module(), lowered.fndesc.qualname.split(".")[-1]
            # Numba knows an overload by an object that Python could call, were there code at an address beside 0.
            handle = _dynfunc.make_function(module, name, "", 0, lowered.env, (made,))
            state.targetctx.insert_user_function(handle, lowered.fndesc, [made])
            state["cr"] = lowered._replace(cfunc=handle)
        return True


@register_pass(mutates_CFG=True, analysis_only=False)
class _LowerWhole(_Lowering):
    _name = "ssdp_hw_lower_whole"


@register_pass(mutates_CFG=True, analysis_only=False)
class _LowerLinked(_Lowering):
    _name = "ssdp_hw_lower_linked"
    library = _Linked


_BEFORE = (
    (untyped_passes.TranslateByteCode, "bytecode"),
    (untyped_passes.FixupArgs, "arguments"),
    (untyped_passes.IRProcessing, "processing"),
    (untyped_passes.RewriteSemanticConstants, "constants"),
    (untyped_passes.DeadBranchPrune, "branches that are never taken"),
    (untyped_passes.GenericRewrites, "rewrites"),
    (untyped_passes.ReconstructSSA, "single assignments"),
    (untyped_passes.DeadBranchPrune, "branches that are never taken"),
    (typed_passes.NopythonTypeInference, "types"),
    (typed_passes.PreLowerStripPhis, "phi nodes"),
    (typed_passes.IRLegalization, "legal code"),
)


class _Flags(compiler.Flags):  # type: ignore[misc]
    """Numba's options of a function, which it hashes and compares for each operation that it looks up.

    Numba makes a table of all options each time. Most often the same ones were set to the same values.
    """

    def __hash__(self) -> int:
        return hash((self.noalias, self.nrt))

    def __eq__(self, other: object) -> bool:
        values = getattr(self, "_values", None)
        same = values is not None and values == getattr(other, "_values", None)
        return same or bool(super().__eq__(other))


class _Compiler(compiler.CompilerBase):  # type: ignore[misc]
    """A pipeline without the passes that rewrite what the engine's functions do not have.

    These are closures, comprehensions, expressions of whole arrays, and parallel loops.
    """

    lowering: type[_Lowering] = _LowerWhole

    def compile_extra(self, func: Any) -> Any:
        """Numba's method."""
        self.state.flags = _Flags(self.state.flags)
        return super().compile_extra(func)

    def define_pipelines(self) -> list[PassManager]:
        """Numba's method."""
        passes = PassManager("ssdp_hw")
        for made, meaning in (*_BEFORE, (self.lowering, "lowering"), (typed_passes.NoPythonBackend, "result")):
            passes.add_pass(made, meaning)
        passes.finalize()
        return [passes]


class _LinkedCompiler(_Compiler):
    lowering = _LowerLinked


def _is_known(library: JITCodeLibrary) -> bool:
    """Whether a library of code has all names that are used here."""
    of_library = all(hasattr(library, name) for name in (*_OF_CLASS, *_OF_LIBRARY))
    return _dynfunc is not None and of_library and all(hasattr(library._codegen, name) for name in _OF_CODEGEN)


def pipeline(*, linked: bool) -> dict[str, Any]:
    """The options of ``numba.njit`` for a function that is only linked into others, or for one with code of its own."""
    return {"pipeline_class": _LinkedCompiler if linked else _Compiler}
