// Package local is the engine that runs a pool's workers as processes of this machine.
//
// A replica is one process `nightshift worker` in a session of its own, so that Ctrl-C in a terminal reaches the service only. What runs is
// written down in the engine's folder: an engine that starts again adopts the workers that its predecessor left (R1). A worker that
// ends though it is wanted is started again, with growing pauses. Where a provider is played (Config.Granted), replicas are taken away with notice, and refused.
//
// It imports orchestrator and the standard library. Data comes from control (sizes) and goes to the operating system.
package local
