"""Recording of spikes, states and weights in the OS process that computes them.

Reading a Lava Var from another process takes one message for each element. Instead the ProcessModel of a recorded
node stores its variables at the end of each step in its own memory, and writes one file in the last step.
"""

from __future__ import annotations

import numpy as np
from lava.magma.core.model.py.model import PyLoihiProcessModel
from lava.magma.core.process.process import AbstractProcess
from lava.magma.core.run_configs import Loihi2SimCfg

from .processes.declared_neurons import AbstractDeclaredModel, with_states
from .processes.shown_states import reading, showing
from .synapses import Values

# Variables whose values at the end of a step's spiking phase a ProcessModel has under another name than theirs. The
# learning phase follows, so that recorded weights are those at the begin of the step.
ATTRIBUTES = {"spikes": "s_out_buff"}


def recording(model: type[PyLoihiProcessModel]) -> type[PyLoihiProcessModel]:
    """A ProcessModel that runs ``model`` and writes what its proc_param ``record`` asks for.

    ``record`` holds ``variables``, ``steps`` and the ``file`` to write in step number ``steps``: an .npz with an array
    (steps, ...) for each variable; with ``last`` an array of the last step alone.
    """

    class Recording(model):
        def run_spk(self) -> None:
            super().run_spk()
            wanted = self.proc_params["record"]
            if self.time_step == 1:
                self.traces: dict[str, Values] = {}
            if wanted["last"]:
                if self.time_step == wanted["steps"]:
                    np.savez(wanted["file"], **{name: getattr(self, name) for name in wanted["variables"]})
                return
            for name in wanted["variables"]:
                value = np.asarray(getattr(self, ATTRIBUTES.get(name, name)))
                if name not in self.traces:
                    self.traces[name] = np.empty((wanted["steps"], *value.shape), value.dtype)
                self.traces[name][self.time_step - 1] = value
            if self.time_step == wanted["steps"]:
                np.savez(wanted["file"], **self.traces)

    return Recording


class RecordingConfig(Loihi2SimCfg):
    """Lava's choice of ProcessModels, with the states of declared neurons and what neurons show to learning rules;
    :func:`recording` wraps what is recorded.
    """

    def select(
        self, process: AbstractProcess, proc_models: list[type[PyLoihiProcessModel]]
    ) -> type[PyLoihiProcessModel]:
        model = super().select(process, proc_models)
        if issubclass(model, AbstractDeclaredModel):
            p = process.proc_params
            model = with_states(model, p["states"], p["ports"], graded=bool(p["payload"]))
        if process.proc_params.get("shown"):
            model = showing(model, process.proc_params["shown"], self.select_tag)
        if process.proc_params.get("reads"):
            model = reading(model, process.proc_params["reads"], self.select_tag)
        return recording(model) if process.proc_params.get("record", {}).get("variables") else model
