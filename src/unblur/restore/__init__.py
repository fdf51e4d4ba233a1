"""Any picture or clip through a network.

The package is also the function `unblur.restore.api.restore`, so that `unblur.restore(source)` restores: the type of the module has a `__call__`
(Python data model, "Customizing module attribute access").
"""

import sys
from inspect import signature
from types import ModuleType

from unblur.restore.api import restore

__all__ = ["restore"]


class _CallablePackage(ModuleType):
    __call__ = staticmethod(restore)
    __signature__ = signature(restore)  # which would else be taken for a method's


sys.modules[__name__].__class__ = _CallablePackage
