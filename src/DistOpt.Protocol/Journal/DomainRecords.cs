using System.Globalization;
using DistOpt.Core.SearchSpaces;

namespace DistOpt.Protocol.Journal;

/// <summary>Domains and choices as a journal has them.</summary>
internal static class DomainRecords
{
    public static JournalDomain Write(Domain domain) => domain switch
    {
        IntDomain d => new("int", d.Low, d.High, d.Step, d.Log, null, false),
        FloatDomain d => new("float", d.Low, d.High, d.Step, d.Log, null, false),
        ChoiceDomain d => new("choices", 0, 0, null, false, [.. d.Choices.Select(Text)], d.IsOrdered),
        _ => throw new JournalException($"{domain.GetType()} has no record: add it to {nameof(DomainRecords)}"),
    };

    public static Domain Read(JournalDomain r) => r.Kind switch
    {
        "int" => new IntDomain((long)r.Low, (long)r.High, (long)(r.Step ?? 1), r.Log),
        "float" => new FloatDomain(r.Low, r.High, r.Step, r.Log),
        "choices" when r.Choices is { } choices => new ChoiceDomain([.. choices.Select(Value)], r.IsOrdered),
        _ => throw new JournalException($"the journal holds a domain '{r.Kind}', which this build does not know: run the version that wrote it or a later one"),
    };

    /// <summary>A choice: a letter for its type, and what it is.</summary>
    public static string Text(object? choice) => choice switch
    {
        null => "n",
        bool truth => truth ? "b1" : "b0",
        int or long => string.Create(CultureInfo.InvariantCulture, $"i{choice}"),
        double number => "d" + number.ToString("R", CultureInfo.InvariantCulture),
        string text => "s" + text,
        _ => throw new JournalException($"a choice of type {choice.GetType()} has no record: add it to {nameof(DomainRecords)}"),
    };

    /// <exception cref="ArgumentException">It is none that <see cref="Text"/> has written.</exception>
    public static object? Value(string text) => text switch
    {
        "n" => null,
        "b1" => true,
        "b0" => false,
        ['i', .. var digits] when long.TryParse(digits, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out long number) => number,
        ['d', .. var digits] when double.TryParse(digits, NumberStyles.Float, CultureInfo.InvariantCulture, out double number) => number,
        ['s', .. var rest] => rest,
        _ => throw new ArgumentException($"'{text}' is no choice", nameof(text)),
    };
}
