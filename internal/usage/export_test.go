package usage

// Add is how the numbers of a report become its sums.
var Add = add
