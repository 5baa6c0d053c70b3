using System.Collections.Immutable;
using System.ComponentModel;
using System.ComponentModel.DataAnnotations;

namespace DistOpt.Core.Datasets;

/// <summary>Fields of <c>data:</c> with <c>name: digits</c>.</summary>
public sealed record DigitsOptions
{
    [Description("Normalize the pixels to mean 0 and variance 1, by the training part; false = 0 to 16 as stored")]
    public bool Normalize { get; init; } = true;
}

/// <summary>Fields of <c>data:</c> with <c>name: mnist</c>.</summary>
public sealed record MnistOptions
{
    [Description("Folder with the four IDX files, plain or .gz; null = mnist in the data root, where 'distopt data get mnist' puts them")]
    public string? Path { get; init; }

    [Description("Normalize the pixels to mean 0 and variance 1, by the training part; false = 0 to 255 as stored")]
    public bool Normalize { get; init; } = true;
}

/// <summary>Fields of <c>data:</c> with <c>name: csv</c>.</summary>
public sealed record CsvOptions
{
    [Description("The file, plain or .gz, in UTF-8")]
    public string? Path { get; init; }

    [Description("A second file of the same columns whose rows are the test part; null = data.test_fraction of the rows is held out")]
    public string? TestPath { get; init; }

    [Description("Whether the first row names the columns: auto (it does when none of its input cells is a number), true or false")]
    [AllowedValues("auto", "true", "false")]
    public string Header { get; init; } = "auto";

    [Description("Lines to pass over at the start of each file")]
    [Range(0, 1_000_000)]
    public int SkipRows { get; init; }

    [Description("Column of the label: a name from the header, or an index from 0 (negative: from the end)")]
    public string Label { get; init; } = "-1";

    [Description("Columns of targets of several values, in place of label: names or indices; a regression, for kl, bce-with-logits and others; [] = label alone")]
    public ImmutableArray<string> Labels { get; init; } = [];

    /// <summary>The columns that hold what is to be predicted.</summary>
    internal ImmutableArray<string> LabelColumns => Labels.IsDefaultOrEmpty ? [Label] : Labels;

    [Description("Columns to leave out: names or indices")]
    public ImmutableArray<string> Ignore { get; init; } = [];

    [Description("auto: classification when a label is no number, or when all are whole numbers with at most 20 different ones and at "
        + "most half as many as rows; else regression")]
    [AllowedValues("auto", "classification", "regression")]
    public string Task { get; init; } = "auto";

    [Description("Names to show for the classes, in the order of the labels (numbers ascending, texts ordinal); empty = the labels "
        + "themselves")]
    public ImmutableArray<string> ClassNames { get; init; } = [];

    [Description("Character between cells, or 'tab'")]
    public string Delimiter { get; init; } = ",";

    [Description("Normalize each input column to mean 0 and variance 1, by the training part")]
    public bool Normalize { get; init; } = true;
}

/// <summary>Fields of <c>data:</c> with <c>name: images</c>.</summary>
public sealed record ImagesOptions
{
    [Description("Folder with a folder for each class, which holds its PNG and JPEG files")]
    public string? Path { get; init; }

    [Description("A second such folder whose images are the test part; null = data.test_fraction of the images is held out")]
    public string? TestPath { get; init; }

    [Description("Height and width that every image is scaled to")]
    public ImmutableArray<int> Size { get; init; } = [32, 32];

    [Description("1 = grey, 3 = red, green, blue")]
    [AllowedValues(1, 3)]
    public int Channels { get; init; } = 3;

    [Description("Most memory that the decoded images may take, in MiB")]
    [Range(1, 1_048_576)]
    public int MaxMemoryMib { get; init; } = 2048;

    [Description("Normalize each channel to mean 0 and variance 1, by the training part; false = 0 to 255 as stored")]
    public bool Normalize { get; init; } = true;
}
