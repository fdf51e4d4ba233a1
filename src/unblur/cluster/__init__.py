"""The same work on a Ray cluster: units are handed out, tried again where a worker is lost, and heard of by one observer.

Ray (`unblur[cluster]`) is imported only by `unblur.cluster.connect` and `unblur.cluster.workers`, when a cluster is used.
"""
