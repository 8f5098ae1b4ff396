"""Functions in several Python threads at once."""

import threading


def run_in_threads(function, count=2):
    """Runs function(i) in `count` threads and re-raises what any of them raised."""
    failures = []

    def body(i):
        try:
            function(i)
        except BaseException as error:  # handed to the test's own thread
            failures.append(error)

    threads = [threading.Thread(target=body, args=(i,)) for i in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]
