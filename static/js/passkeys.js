// The browser's part of a passkey: ask MSPlex for a challenge, have the device answer it, send the answer with the form.
"use strict";

const passkeys = (() => {
  const words = {
    AbortError: "The device gave up. Try again.",
    InvalidStateError: "This device already has a passkey for you.",
    NotAllowedError: "Nothing was sent: it was cancelled, or it took too long. Try again.",
    SecurityError: "Passkeys do not work at this address. Open MSPlex by its name, not by a number.",
  };

  const bytes = (text) => {
    const plain = atob(text.replace(/-/g, "+").replace(/_/g, "/"));
    return Uint8Array.from(plain, (letter) => letter.charCodeAt(0));
  };

  const text = (buffer) =>
    btoa(String.fromCharCode(...new Uint8Array(buffer))).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");

  const known = (list) => (list || []).map((each) => ({ ...each, id: bytes(each.id) }));

  const create = async (options) => {
    const made = await navigator.credentials.create({
      publicKey: {
        ...options,
        challenge: bytes(options.challenge),
        user: { ...options.user, id: bytes(options.user.id) },
        excludeCredentials: known(options.excludeCredentials),
      },
    });
    return answer(made, {
      attestationObject: text(made.response.attestationObject),
      transports: made.response.getTransports?.() ?? [],
    });
  };

  const get = async (options) => {
    const used = await navigator.credentials.get({
      publicKey: {
        ...options,
        challenge: bytes(options.challenge),
        allowCredentials: known(options.allowCredentials),
      },
    });
    return answer(used, {
      authenticatorData: text(used.response.authenticatorData),
      signature: text(used.response.signature),
      userHandle: used.response.userHandle ? text(used.response.userHandle) : null,
    });
  };

  const answer = (credential, more) => ({
    id: credential.id,
    rawId: text(credential.rawId),
    type: credential.type,
    response: { clientDataJSON: text(credential.response.clientDataJSON), ...more },
    clientExtensionResults: credential.getClientExtensionResults(),
  });

  const begin = async (form) => {
    const headers = { "X-CSRFToken": form.elements.csrfmiddlewaretoken.value, Accept: "application/json" };
    const reply = await fetch(form.dataset.options, { method: "POST", headers, credentials: "same-origin" });
    const body = await reply.json().catch(() => ({}));
    if (!reply.ok) throw new Error(body.detail || "MSPlex did not answer. Reload the page and try again.");
    return body;
  };

  const complain = (form, sentence) => {
    const place = form.querySelector("[data-passkey-says]");
    place.querySelector("p").textContent = sentence;
    place.hidden = false;
  };

  const run = async (form) => {
    const button = form.querySelector("button[type=submit]");
    button.setAttribute("aria-disabled", "true");
    try {
      const begun = await begin(form);
      const answered = await (form.dataset.passkey === "create" ? create : get)(begun.options);
      form.elements.state.value = begun.state;
      form.elements.answer.value = JSON.stringify(answered);
      form.submit();
    } catch (error) {
      complain(form, words[error.name] || error.message || "This browser could not use a passkey.");
      button.removeAttribute("aria-disabled");
      button.focus();
    }
  };

  const prepare = (form) => {
    if (!window.PublicKeyCredential) {
      form.querySelector("button[type=submit]").disabled = true;
      complain(form, "This browser has no passkeys. Use another way to sign in, or a newer browser.");
      return;
    }
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      if (form.querySelector("button[aria-disabled=true]")) return;
      form.querySelector("[data-passkey-says]").hidden = true;
      run(form);
    });
  };

  document.querySelectorAll("form[data-passkey]").forEach(prepare);
})();
