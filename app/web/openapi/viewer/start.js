// Starts the viewer. After a login, later requests send its token until a logout; "Authorize" shows the token.
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
