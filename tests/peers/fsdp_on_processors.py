"""Has accelerate share weights out between processors too, and runs the program that is named. accelerate takes no plugin
for them (AcceleratorState), so a processor's FSDP would be whole weights in every process; torch's own does it by gloo."""
import inspect
import runpy
import sys
import textwrap

from accelerate import state

source = textwrap.dedent(inspect.getsource(state.AcceleratorState.__init__))
changed = source.replace("DistributedType.MULTI_GPU,\n", "DistributedType.MULTI_GPU, DistributedType.MULTI_CPU,\n", 1)
assert changed != source
exec(changed, vars(state))
state.AcceleratorState.__init__ = vars(state).pop("__init__")
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
