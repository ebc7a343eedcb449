// Starts the viewer. The token of a login goes with the requests that follow, until a logout; "Authorize" shows it.
window.addEventListener("DOMContentLoaded", () => {
  const ui = SwaggerUIBundle({
    url: "openapi.json",
    dom_id: "#viewer",
    validatorUrl: null,
    tryItOutEnabled: true,
    defaultModelsExpandDepth: 0,
    responseInterceptor: (answer) => {
      if (answer.ok && answer.url.endsWith("/api/v1/auth/login")) {
        const schema = { type: "http", scheme: "bearer", bearerFormat: "JWT" };
        ui.authActions.authorize({ bearer: { name: "bearer", schema, value: JSON.parse(answer.text).access_token } });
      } else if (answer.ok && new URL(answer.url).pathname.endsWith("/api/v1/auth/logout")) {
        ui.authActions.logout(["bearer"]);
      }
      return answer;
    },
  });
});
