// Package podpatch puts what a user wants of a pod over the pod that the program makes.
//
// A Patch is decoded strictly by Kubernetes' own types, so that a misspelt field is told
// and not dropped. Apply merges patches over a template by Kubernetes' strategic merge,
// as `kubectl patch` does: containers, volumes and the like by name, `$patch: delete`
// and null remove. Check names what a merge has broken of that on which a release rests.
package podpatch
