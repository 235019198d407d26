// Gets an object of a form for an answer: `node structured.mjs "Describe a city" [HOST:PORT]`. zod's schemas do as well.
import { Client } from "runstream";

const City = {
  type: "object",
  properties: {
    name: { type: "string", maxLength: 30 },
    continent: { enum: ["Africa", "America", "Asia", "Australia", "Europe"] },
    isCapital: { type: "boolean" },
  },
  required: ["name", "continent", "isCapital"],
  additionalProperties: false,
};

const [prompt = "Describe a city", target] = process.argv.slice(2);
const client = new Client({ target });
const { parsed } = await client.run({ model: "@runstream/demo", prompt, responseFormat: City, temperature: 0 });
const city = /** @type {{ name: string, continent: string, isCapital: boolean }} */ (parsed);
console.log(`${JSON.stringify(city.name)} lies in ${city.continent}, capital: ${city.isCapital}`);
