// The token stands in the fragment, which never reaches a server's log; it is sent only when the form is.
const form = document.querySelector("form");
const result = document.getElementById("result");
const token = new URLSearchParams(location.hash.slice(1)).get("token");

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  const button = form.querySelector("button");
  const body = Object.fromEntries(new FormData(form));
  if (token) body.token = token;
  button.disabled = true;
  result.textContent = "";
  try {
    const answer = await fetch(form.action, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify(body),
    });
    if (answer.ok) {
      form.hidden = true;
      result.textContent = form.dataset.done;
      return;
    }
    const weak = answer.status === 400 && (await answer.json()).error;
    result.textContent = weak && weak.field === "new_password" ? weak.message : form.dataset.failed;
  } catch {
    result.textContent = form.dataset.failed;
  }
  button.disabled = false;
});
