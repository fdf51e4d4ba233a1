"""`unblur` removes motion blur from photos and videos."""
