// Package apiserver is what engines that size objects of Kubernetes have in common: how its API server is found, since when a watch does not stand, and which rights a
// connection lacks. It knows no kind of object. Package raycluster and package workflows use it.
package apiserver
