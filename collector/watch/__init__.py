"""The loops that look: count, classify, judge, and write down what was found."""
