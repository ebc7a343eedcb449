"""Repairs of the package itself: its version and needs, the Python versions it compiles for, and what it leaves out."""

from app.server.meinheld.repair import Cut, Delete, Repair, Replace, Write

VERSION = "1.0.2+jobfinder.1"

SETUP = (
    Replace("setup.py", 'version="1.0.2"', f'version="{VERSION}"'),
    Replace("setup.py", "greenlet>=0.4.5,<0.5", "greenlet>=3"),
    Replace("setup.py", "'Programming Language :: Python :: 3',", "'Programming Language :: Python :: 3 :: Only',"),
    # An error of its own from gcc 14 on; an undeclared function returns an int of whatever the register holds.
    Replace("setup.py", '# extra_compile_args=[""],', 'extra_compile_args=["-Werror=implicit-function-declaration"],'),
    Cut("setup.py", "    entry_points=", "    ext_modules", "    python_requires='>=3.11',\n"),
)

REPAIRS = (
    Repair(
        "honest metadata",
        "The published version demands a greenlet (< 0.5) that does not compile for Python 3.11.",
        "PEP 440, local version identifiers",
        SETUP,
    ),
    Repair(
        "removed C API",
        "PyEval_CallObject is gone from Python 3.13.",
        "What's New in Python 3.13, removed C APIs",
        (
            Replace(
                "response.c",
                "result = PyEval_CallObject(method, (PyObject *)NULL);",
                "result = PyObject_CallObject(method, NULL);",
            ),
        ),
    ),
    Repair(
        "parent of a greenlet",
        "An unused function returns an int as a pointer, which gcc 14 refuses to compile.",
        "GCC 14 release notes, -Wint-conversion",
        (
            Cut("greensupport.c", "PyObject *greenlet_setparent(", "PyObject *greenlet_getparent("),
            Replace("greensupport.h", "PyObject *greenlet_setparent(PyObject *g, PyObject *parent);\n", ""),
        ),
    ),
    Repair(
        "Python modules",
        "The gunicorn worker that comes with meinheld replaces a method of gunicorn's logger, which ends the master "
        "when a worker "
        "is killed; the socket module, the websockets and the middleware need what waiting.py has taken out.",
        "gunicorn issue 3055",
        (
            *(
                Delete(f"meinheld/{name}.py")
                for name in ("common", "gmeinheld", "middleware", "mlogging", "msocket", "patch", "websocket")
            ),
            Write(
                "meinheld/__init__.py",
                f'"""The repaired meinheld: see `meinheld.server`."""\n\n__version__ = "{VERSION}"\n',
            ),
        ),
    ),
)
