"""The repaired meinheld: patches for the published 1.0.2, additional C files, and the build of the wheel.

`patches/` holds one patch for each defect, in the order of `patches/series`; `csource/` holds the C files that we add.
`build.py` is the command; `series.py` reads, checks and applies the patches. Only the standard library and GNU patch
are needed.

To change a patch or add one, with quilt:

    python -m app.server.meinheld.build --unpack DIR
    cd DIR && export QUILT_PATCHES=<checkout>/app/server/meinheld/patches
    quilt push -a; quilt new 0057-<name>.patch; quilt edit meinheld/server/<file>; quilt refresh -p ab --no-timestamps

and begin the new patch with the header that `series.Patch` describes.
"""
