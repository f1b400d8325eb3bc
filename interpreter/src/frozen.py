"""Lists the modules that the program has inside, for callers of `pkgutil`: completion
after `import`, and `help('modules')`.

The import system finds a frozen module by name but cannot list them.
"""

import _imp
import sys
from importlib.machinery import FrozenImporter


def contents(package):
    """The modules of a package, '' for those in none: (name, is a package)."""
    begin = package and package + '.'
    for name in _imp._frozen_module_names():
        rest = name.removeprefix(begin)
        if name.startswith(begin) and '.' not in rest and rest != '__init__':
            yield rest, _imp.is_frozen_package(name)


class FrozenFolder:
    """Finds modules in the folder of a frozen package, where the import system
    is handed that folder and there is none on disk.
    """

    def __init__(self, path):
        library = (sys._stdlib_dir or '') + '/'
        package = path.removeprefix(library).replace('/', '.')
        if not path.startswith(library) or FrozenImporter.find_spec(package) is None:
            raise ImportError('not the folder of a frozen package', path=path)
        self.package = package

    def find_spec(self, name, target=None):
        """The spec of a module, whose name may lack that of the package."""
        name = name.rpartition('.')[2]
        return FrozenImporter.find_spec(f'{self.package}.{name}')

    def iter_modules(self, prefix=''):
        return [(prefix + name, package) for name, package in contents(self.package)]


def iter_modules(prefix=''):
    # A module of the program's own comes before a frozen one of that name.
    own = set(sys.builtin_module_names)
    return [
        (prefix + name, package) for name, package in contents('') if name not in own
    ]


FrozenImporter.iter_modules = iter_modules
# Last: a folder that is there has its own finder.
sys.path_hooks.append(FrozenFolder)
