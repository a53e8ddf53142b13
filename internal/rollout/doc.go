// Package rollout moves the split in a running cluster. It works in an update, also
// in one that changes nothing, and never in a preview. Whoever writes the objects
// of the app calls its phases, in this order:
//
//  1. RollBack, before anything else of the stack is touched. When the canary is to
//     get less than it has, the weights are written at once and the proxies waited
//     for: what is wrong with another object must not hold a roll back up. Without
//     a ready pod of stable nothing is written.
//  2. CheckPodChange, before the pods of a subset are changed. An update that also
//     takes weight from the subset, while it serves requests, is refused: it has to
//     be done in two steps.
//  3. Guard, right before the VirtualService is written. It fails when the API server
//     would not take the write, waits for the wanted pods of the subsets whose share
//     grows and of a canary that requests reach beside the split, and fails when they
//     cannot become ready, or when an object of somebody else makes proxies fail the
//     canary's requests. A subset that loses weight is never waited for. Before the
//     first VirtualService of all it also waits, for ten seconds at most, until the
//     proxies hold both subsets. Then it looks at what istiod knows, by which Converge
//     tells what the write has changed.
//  4. Converge, after the write. It waits until every proxy serves the split, and
//     ends early when the VirtualService says something else, or nothing lets
//     requests in.
//  5. Finish, after the last change of the pods. A pod that is not ready fails the
//     update, now that the split is where it should be; so does an object that
//     somebody else changed, since the update has not seen it.
//
// rollout.go is the way of the split from top to bottom. The waits themselves are
// packages readiness and converge.
package rollout
