"""Every subject of the wire, each one value with its message and codec.

``{p}`` is the deployment's prefix (``pp`` by default). No module outside spells a subject. A
process imports the ones that it uses; `contents` has all of them, for documents and permissions.
"""
