// Starts GraphiQL. A token goes into its tab "Headers".
const example = `# A token goes into "Headers" below: {"Authorization": "Bearer ..."}
{
  search(first: 5) {
    nodes { id title company { name } }
  }
}
`;
ReactDOM.createRoot(document.getElementById("graphiql")).render(
  React.createElement(GraphiQL, { fetcher: GraphiQL.createFetcher({ url: "graphql" }), defaultQuery: example }),
);
