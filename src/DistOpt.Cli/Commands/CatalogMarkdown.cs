using System.Text;
using System.Text.RegularExpressions;
using DistOpt.Core.Specs;

namespace DistOpt;

/// <summary>Catalogues as Markdown tables, and their renewal in a file that has them between marks.</summary>
internal static partial class CatalogMarkdown
{
    /// <summary>Columns: name, what it is, fields with defaults, source.</summary>
    public static string Table(CatalogListing listing)
    {
        var text = new StringBuilder();
        text.Append($"| {listing.Kind} | is | fields and defaults | source |\n|---|---|---|---|\n");
        foreach (var entry in listing.Entries)
            text.Append($"| `{entry.Name}` | {Cell(entry.Summary)} | {Fields(entry.Fields)} | {Cell(entry.Source ?? "")} |\n");
        if (listing.CommonFields.Length > 0) text.Append($"\nBeside every {listing.Kind}'s own: {Fields(listing.CommonFields)}.\n");
        return text.ToString();
    }

    /// <summary>The text with every marked table renewed.</summary>
    /// <exception cref="SpecException">No marks, a mark without an end, or one that names no catalogue.</exception>
    public static string Update(string text, string file, SpecCatalogs catalogs)
    {
        int begins = Begin().Count(text), replaced = 0;
        string updated = Marked().Replace(text, match =>
        {
            replaced++;
            return $"{match.Groups["begin"].Value}\n{Table(CatalogListing.Find(catalogs, match.Groups["kind"].Value))}{match.Groups["end"].Value}";
        });
        if (begins == 0) throw new SpecException(file, "has no mark such as <!-- list optimizers -->, followed by <!-- end of list -->");
        if (replaced != begins) throw new SpecException(file, $"has {begins} marks <!-- list KIND -->, but {replaced} with an <!-- end of list -->");
        return updated;
    }

    private static string Fields(IEnumerable<FieldListing> fields) =>
        string.Join(", ", fields.Select(f => f.Default is { } value ? $"`{f.Name}` {Cell(value)}" : $"`{f.Name}` (to be given)"));

    /// <summary>A bar would end the cell.</summary>
    private static string Cell(string text) => text.ReplaceLineEndings(" ").Replace("|", "\\|", StringComparison.Ordinal);

    [GeneratedRegex("<!-- list [a-z-]+ -->")]
    private static partial Regex Begin();

    [GeneratedRegex("(?<begin><!-- list (?<kind>[a-z-]+) -->)\\n((?!<!-- list )[\\s\\S])*?(?<end><!-- end of list -->)")]
    private static partial Regex Marked();
}
