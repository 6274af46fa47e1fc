package lua

// loading is a library that is being loaded.
type loading struct{}
