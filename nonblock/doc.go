// Package nonblock gives connections whose reads and writes cost the Go scheduler
// nothing. A socket in Go never blocks: a call that can't go on returns at once and the
// goroutine waits in the poller. But the runtime is told of each that it might block,
// and where one takes 20 us (on a virtual machine most do, which wake another process) its
// monitor takes the processor away and wakes a thread to use it, for nothing, and
// never comes to rest itself.
package nonblock
