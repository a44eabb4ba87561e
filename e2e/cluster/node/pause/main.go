// Command pause is the process that holds the namespaces of a pod. It does nothing until it is told to end; the first process of a
// namespace is not ended by signals that it does not ask for.
package main

import (
	"os"
	"os/signal"
	"syscall"
)

func main() {
	ends := make(chan os.Signal, 1)
	signal.Notify(ends, syscall.SIGINT, syscall.SIGTERM)
	<-ends
}
