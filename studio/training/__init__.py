"""The only code that trains: stage the data, plan, train, and a worker thread for the page."""
