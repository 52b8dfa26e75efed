"""Two logs held against each other: the key server's and ours. Pure judgement: others read both."""
