// Package jobs is a client of Ray's dashboard: versions, packages for runtime environments, and the Jobs API. The dashboard is reached inside the cluster only; nothing
// here exposes it.
//
// It imports the standard library only, and is used by raycluster/driver.
package jobs
