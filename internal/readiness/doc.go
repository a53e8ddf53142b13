// Package readiness waits until the pods of the subsets can take requests, and says
// why one never will.
//
//   - What counts are the pods of the newest version of a subset's Deployment: those
//     of its ReplicaSet with the Deployment's own revision. A subset is ready when it
//     has as many as it wants and none of an older version is left.
//   - A pod is ready when Kubernetes says so and it has a sidecar. One that becomes
//     ready during the wait must stay so for three seconds; a program that ends soon
//     after its start passes its probe before that.
//   - A pod that is not ready is diagnosed from its status and its events. Each
//     finding has a patience: how long it must last to end the wait. Problems that
//     pass by themselves in a healthy cluster have much, a wrong image name has none.
//   - Pods that make no progress for two minutes end the wait whatever the reason;
//     an image on its way has ten, an app that starts what its startup probe grants.
//
// It only reads.
package readiness
