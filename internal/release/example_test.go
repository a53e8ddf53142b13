package release

var exampleApp = App{Namespace: "app-example", Name: "app-example", Hosts: []string{"app-example.app-example.localhost"}}
