"""The toolkit's Lava Processes with their ProcessModels, for networks that Lava's LIF and Dense cannot express.

To find ProcessModels, Lava's compiler executes every module that lies beside the one that defines a
Process, under another name and outside its package. Each Process here is therefore a package of its
own that holds nothing but its ``__init__.py``: the compiler finds no module to execute.
"""
