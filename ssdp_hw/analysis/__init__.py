"""What a network does, needs and loses: comparisons, verification, activity, resources and the loss ladder."""
