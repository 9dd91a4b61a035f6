"""What operators make of answers that are not the service's: a matrix, and credentials that rotate."""
