// Package ray holds the tests of the driver inside a Ray cluster on a real Ray (docs/ray-driver.md), on loopback and without Kubernetes. They need an interpreter with
// ray[default], NIGHTSHIFT_TEST_RAY_PYTHON, which `make test` prepares.
package ray
