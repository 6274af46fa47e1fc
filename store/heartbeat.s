// Empty: it allows the function without a body in heartbeat.go.
