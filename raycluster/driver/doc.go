// Package driver runs workers inside a Ray cluster: it carries the Python driver, nightshift_ray, which keeps a worker in every slot of a pool, and submits it through
// Ray's Jobs API, once in each life of the cluster's head. docs/ray-driver.md has the rules, RD1 and on.
//
// It imports the standard library, raycluster/jobs and raycluster/python.
package driver
