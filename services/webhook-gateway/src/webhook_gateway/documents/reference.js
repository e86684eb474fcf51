"use strict";
// Renders /openapi.json. All text goes in by textContent, so nothing in the document can act as markup.

const METHODS = ["get", "post", "put", "patch", "delete"];
const reading = document.body.dataset.mode === "read";

function element(name, attributes, ...children) {
  const node = document.createElement(name);
  for (const [key, value] of Object.entries(attributes || {})) {
    if (key === "class") node.className = value;
    else node[key] = value;
  }
  node.append(...children.filter((child) => child !== null && child !== undefined));
  return node;
}

function resolve(root, schema) {
  if (!schema || !schema.$ref) return schema || {};
  return schema.$ref.split("/").slice(1).reduce((value, step) => (value || {})[step], root) || {};
}

function typeName(root, schema) {
  if (!schema) return "any";
  if (schema.$ref) return schema.$ref.split("/").pop();
  const options = schema.anyOf || schema.oneOf || schema.allOf;
  if (options) return options.map((option) => typeName(root, option)).join(" | ");
  if (schema.enum) return schema.enum.map((value) => JSON.stringify(value)).join(" | ");
  if (schema.const !== undefined) return JSON.stringify(schema.const);
  if (schema.type === "array") return typeName(root, schema.items) + "[]";
  return [schema.type || "any", schema.format].filter(Boolean).join(" ");
}

function example(root, schema, depth = 0) {
  const known = resolve(root, schema);
  if (known.example !== undefined) return known.example;
  if (known.examples && known.examples.length) return known.examples[0];
  if (known.default !== undefined) return known.default;
  if (known.enum) return known.enum[0];
  const options = known.anyOf || known.oneOf || known.allOf;
  if (options) return example(root, options.find((option) => option.type !== "null") || options[0], depth);
  if (known.type === "array") return depth > 3 ? [] : [example(root, known.items, depth + 1)];
  if (known.type === "object" || known.properties) {
    const result = {};
    if (depth > 3) return result;
    for (const [name, property] of Object.entries(known.properties || {})) result[name] = example(root, property, depth + 1);
    return result;
  }
  if (known.type === "integer" || known.type === "number") return known.minimum || 0;
  if (known.type === "boolean") return false;
  if (known.type === "null") return null;
  return { uuid: "00000000-0000-0000-0000-000000000000", "date-time": "2026-01-01T00:00:00Z" }[known.format] || "";
}

function propertyTable(root, schema) {
  const known = resolve(root, schema);
  if (!known.properties) return element("p", { class: "muted" }, typeName(root, schema));
  const required = new Set(known.required || []);
  const rows = Object.entries(known.properties).map(([name, property]) =>
    element("tr", {}, element("td", {}, element("code", {}, name + (required.has(name) ? " *" : ""))),
      element("td", {}, typeName(root, property)), element("td", {}, property.description || "")));
  return element("table", {}, element("tbody", {}, ...rows));
}

function parameterTable(root, parameters) {
  if (!parameters.length) return null;
  const rows = parameters.map((parameter) =>
    element("tr", {}, element("td", {}, element("code", {}, parameter.name + (parameter.required ? " *" : ""))),
      element("td", {}, parameter.in), element("td", {}, typeName(root, parameter.schema)),
      element("td", {}, parameter.description || "")));
  return element("div", {}, element("h4", {}, "Parameters"), element("table", {}, element("tbody", {}, ...rows)));
}

function bodySection(root, operation) {
  const content = operation.requestBody && operation.requestBody.content;
  if (!content) return null;
  const parts = Object.entries(content).map(([type, media]) =>
    element("div", {}, element("p", { class: "muted" }, type), propertyTable(root, media.schema)));
  return element("div", {}, element("h4", {}, "Body"), ...parts);
}

function responseSection(root, operation) {
  const rows = Object.entries(operation.responses || {}).map(([status, answer]) => {
    const media = Object.values(answer.content || {})[0];
    return element("tr", {}, element("td", {}, status), element("td", {}, answer.description || ""),
      element("td", {}, media ? typeName(root, media.schema) : ""));
  });
  return element("div", {}, element("h4", {}, "Answers"), element("table", {}, element("tbody", {}, ...rows)));
}

function credentialHeaders() {
  const value = document.getElementById("credential").value.trim();
  if (!value) return {};
  return value.split(".").length === 3 ? { Authorization: "Bearer " + value } : { "X-API-Key": value };
}

function tryForm(root, method, path, operation, parameters) {
  const fields = parameters.filter((parameter) => parameter.in !== "cookie").map((parameter) =>
    ({ parameter, input: element("input", { placeholder: parameter.name, ariaLabel: parameter.name }) }));
  const media = Object.entries((operation.requestBody || {}).content || {})[0];
  const area = media ? element("textarea", { ariaLabel: "body", value: media[0].includes("json") ? JSON.stringify(example(root, media[1].schema), null, 2) : "" }) : null;
  const output = element("pre", { hidden: true });
  const button = element("button", { type: "button" }, "Send");
  button.addEventListener("click", async () => {
    let url = path;
    const query = new URLSearchParams();
    const headers = credentialHeaders();
    for (const { parameter, input } of fields) {
      if (parameter.in === "path") url = url.replace("{" + parameter.name + "}", encodeURIComponent(input.value));
      else if (input.value && parameter.in === "query") query.set(parameter.name, input.value);
      else if (input.value) headers[parameter.name] = input.value;
    }
    if (area) headers["Content-Type"] = media[0] === "*/*" ? "application/json" : media[0];
    output.hidden = false;
    output.textContent = "…";
    try {
      const answer = await fetch(url + (query.size ? "?" + query : ""), { method: method.toUpperCase(), headers, body: area ? area.value : undefined });
      let text = await answer.text();
      try { text = JSON.stringify(JSON.parse(text), null, 2); } catch { /* shown as it came */ }
      output.textContent = answer.status + " " + answer.statusText + "\n\n" + text;
    } catch (error) {
      output.textContent = String(error);
    }
  });
  return element("div", { class: "try" }, element("h4", {}, "Try it"), ...fields.map((field) => field.input), area, button, output);
}

function operationNode(root, path, method, operation, shared) {
  const parameters = [...shared, ...(operation.parameters || [])].map((parameter) => resolve(root, parameter));
  const body = element("div", {});
  const details = element("details", { class: "operation", open: reading },
    element("summary", {}, element("span", { class: "method" }, method), element("span", { class: "path" }, path),
      element("span", { class: "muted" }, operation.summary || "")), body);
  const fill = () => {
    if (body.childElementCount) return;
    const open = operation.security && operation.security.length === 0;
    body.append(element("p", {}, operation.description || ""), element("p", { class: "muted" }, open ? "No credential needed." : "Needs a credential."));
    for (const part of [parameterTable(root, parameters), bodySection(root, operation), responseSection(root, operation)]) if (part) body.append(part);
    if (!reading) body.append(tryForm(root, method, path, operation, parameters));
  };
  if (reading) fill();
  else details.addEventListener("toggle", fill);
  details.dataset.text = [method, path, operation.summary, operation.description, ...(operation.tags || [])].join(" ").toLowerCase();
  return details;
}

function render(root) {
  const groups = new Map();
  for (const [path, item] of Object.entries(root.paths)) {
    for (const method of METHODS) {
      if (!item[method]) continue;
      const tag = (item[method].tags || ["other"])[0];
      if (!groups.has(tag)) groups.set(tag, []);
      groups.get(tag).push(operationNode(root, path, method, item[method], item.parameters || []));
    }
  }
  const main = document.getElementById("operations");
  const nav = document.getElementById("tags");
  main.replaceChildren();
  for (const tag of [...groups.keys()].sort()) {
    nav.append(element("a", { href: "#" + tag }, tag));
    main.append(element("section", {}, element("h2", { id: tag }, tag), ...groups.get(tag)));
  }
}

function filter() {
  const word = document.getElementById("filter").value.trim().toLowerCase();
  for (const section of document.querySelectorAll("main section")) {
    let shown = 0;
    for (const node of section.querySelectorAll("details.operation")) {
      node.hidden = word !== "" && !node.dataset.text.includes(word);
      if (!node.hidden) shown += 1;
    }
    section.hidden = shown === 0;
  }
}

document.getElementById("filter").addEventListener("input", filter);
fetch("/openapi.json")
  .then((answer) => answer.json())
  .then(render)
  .catch((error) => { document.getElementById("operations").textContent = "The document could not be read: " + error; });
