using System.CommandLine;
using System.Text.Json;
using DistOpt.Core.Specs;

namespace DistOpt;

/// <summary><c>list [KIND]</c>: the catalogues.</summary>
internal static class ListCommand
{
    public static Command Create(Bind bind)
    {
        var kind = new Argument<string?>("kind")
        {
            Description = $"One of {string.Join(", ", new SpecCatalogs().All.Select(c => c.Name))}, sections, or a section of a spec such as regularization; "
                + "without it all names",
            Arity = ArgumentArity.ZeroOrOne,
        };
        var update = new Option<string>("--update")
        {
            Description = "Renews the tables of a Markdown file between <!-- list KIND --> and <!-- end of list -->",
            HelpName = "file",
        };
        var command = new FormatCommand("list", "Lists what a spec can name, with fields, defaults, ranges and sources", "markdown") { kind, update };
        bind(command, invocation =>
        {
            var catalogs = SpecFiles.Catalogs(invocation.App);
            if (invocation.Parse.GetValue(update) is { } file)
            {
                if (!File.Exists(file)) throw new SpecException("--update", $"'{file}' does not exist");
                string before = File.ReadAllText(file), after = CatalogMarkdown.Update(before, file, catalogs);
                if (after != before) File.WriteAllText(file, after);
                invocation.Out.WriteLine(after == before ? $"{file} is as the catalogues are" : $"written: {file}");
                return Task.FromResult(ExitCode.Done);
            }
            if (invocation.Format == "markdown")
            {
                string[] kinds = invocation.Parse.GetValue(kind) is { } one ? [one] : [.. CatalogListing.All(catalogs).Select(l => l.Name)];
                foreach (string each in kinds) invocation.Console.Out.Write(CatalogMarkdown.Table(CatalogListing.Find(catalogs, each)));
                return Task.FromResult(ExitCode.Done);
            }
            if (invocation.Parse.GetValue(kind) is { } name)
            {
                var listing = CatalogListing.Find(catalogs, name);
                invocation.Write(json => WriteJson(json, listing), writer => WriteText(writer, listing));
            }
            else
            {
                CatalogListing[] all = [.. CatalogListing.All(catalogs), CatalogListing.Sections(catalogs)];
                invocation.Write(
                    json =>
                    {
                        json.WriteStartObject();
                        foreach (var listing in all)
                        {
                            json.WritePropertyName(listing.Name);
                            json.WriteStartArray();
                            foreach (var entry in listing.Entries) json.WriteStringValue(entry.Name);
                            json.WriteEndArray();
                        }
                        json.WriteEndObject();
                    },
                    writer =>
                    {
                        var names = all.Select(l => (IReadOnlyList<string>)[l.Name, string.Join(", ", l.Entries.Select(e => e.Name))]);
                        foreach (string line in Format.Table([.. names]))
                            writer.WriteLine(line);
                    });
            }
            return Task.FromResult(ExitCode.Done);
        });
        return command;
    }

    private static void WriteText(TextWriter writer, CatalogListing listing)
    {
        foreach (var entry in listing.Entries)
        {
            writer.WriteLine(entry.Summary.Length == 0 ? entry.Name : $"{entry.Name}: {entry.Summary}");
            if (entry.Source is { } source) writer.WriteLine($"  ({source})");
            WriteFields(writer, entry.Fields);
        }
        if (listing.CommonFields.Length == 0) return;
        writer.WriteLine($"beside every {listing.Kind}'s own:");
        WriteFields(writer, listing.CommonFields);
    }

    private static void WriteFields(TextWriter writer, IEnumerable<FieldListing> fields)
    {
        IReadOnlyList<IReadOnlyList<string>> rows = [.. fields.Select(f => (IReadOnlyList<string>)
            ["  " + f.Name, f.Type, f.Default is { } value ? $"default {value}" : "must be given", f.Range ?? "", f.Description ?? ""])];
        foreach (string line in Format.Table(rows)) writer.WriteLine(line);
    }

    private static void WriteJson(Utf8JsonWriter json, CatalogListing listing)
    {
        json.WriteStartObject();
        json.WriteString("kind", listing.Kind);
        json.WriteStartArray(listing.Name);
        foreach (var entry in listing.Entries)
        {
            json.WriteStartObject();
            json.WriteString("name", entry.Name);
            json.WriteString("summary", entry.Summary);
            if (entry.Source is { } source) json.WriteString("source", source);
            WriteFields(json, "fields", entry.Fields);
            json.WriteEndObject();
        }
        json.WriteEndArray();
        WriteFields(json, "common_fields", listing.CommonFields);
        json.WriteEndObject();
    }

    private static void WriteFields(Utf8JsonWriter json, string name, IEnumerable<FieldListing> fields)
    {
        json.WriteStartArray(name);
        foreach (var field in fields)
        {
            json.WriteStartObject();
            json.WriteString("name", field.Name);
            json.WriteString("type", field.Type);
            if (field.Default is { } value) json.WriteString("default", value);
            if (field.Range is { } range) json.WriteString("range", range);
            if (field.Description is { } description) json.WriteString("description", description);
            json.WriteEndObject();
        }
        json.WriteEndArray();
    }
}

/// <summary><c>init [FILE]</c>: a spec to start from.</summary>
internal static class InitCommand
{
    public static Command Create(Bind bind)
    {
        var file = new Argument<string?>("file") { Description = "File to write; without it the spec goes to stdout", Arity = ArgumentArity.ZeroOrOne };
        var data = new Option<string>("--data") { Description = "Data set", HelpName = "name" };
        var model = new Option<string>("--model") { Description = "Model", HelpName = "name" };
        var set = GlobalOptions.Set();
        var command = new Command("init", "Writes a training spec with every field, its default and what it means") { file, data, model, set };
        bind(command, invocation =>
        {
            var parse = invocation.Parse;
            string? path = parse.GetValue(file);
            var violations = new ViolationCollector();
            if (path is not null && (File.Exists(path) || Directory.Exists(path))) violations.Add(path, "exists already; name another file, or remove it");
            var binder = SpecFiles.Binder(invocation.App);
            string? text = violations.Try(() => SpecTemplates.Init(binder, parse.GetValue(data), parse.GetValue(model), parse.GetValue(set)));
            violations.ThrowIfAny();
            if (path is not null) File.WriteAllText(path, text);
            invocation.Write(
                json =>
                {
                    json.WriteStartObject();
                    json.WriteString("file", path);
                    json.WriteString("spec", text);
                    json.WriteEndObject();
                },
                writer =>
                {
                    if (path is null) writer.Write(text);
                    else writer.WriteLine($"written: {path} (train it with: train {path})");
                });
            return Task.FromResult(ExitCode.Done);
        });
        return command;
    }
}

/// <summary><c>schema</c>: the JSON schema of specs, for editors.</summary>
internal static class SchemaCommand
{
    public static Command Create(Bind bind)
    {
        var study = new Option<bool>("--study") { Description = "That of study specs" };
        var command = new Command("schema", "Prints the JSON schema of training specs, or of study specs, for editors") { study };
        bind(command, invocation =>
        {
            var catalogs = SpecFiles.Catalogs(invocation.App);
            var schema = invocation.Parse.GetValue(study) ? SpecSchema.Study(catalogs) : SpecSchema.Json(catalogs);
            void Json(Utf8JsonWriter json) => schema.WriteTo(json);
            invocation.Write(Json, writer => writer.WriteLine(Core.Runs.RunJson.Text(indented: true, Json)));
            return Task.FromResult(ExitCode.Done);
        });
        return command;
    }
}
