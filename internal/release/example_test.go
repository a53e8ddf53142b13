package release

var exampleApp = App{Namespace: "app-example", Name: "app-example", Host: "app-example.app-example.localhost"}
