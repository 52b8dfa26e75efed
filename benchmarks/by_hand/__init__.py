"""What a team would write without us: a service that calls transit for each value. Make it faster!"""
